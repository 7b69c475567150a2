"""The words of the command line: what is taken, what is refused, in which units."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli.parser import build_parser, bytes_of, error_json, seconds_of, size_of
from tasks.core.failures import Failure


def test_the_documented_options_exist() -> None:
    text = (
        "reconstruct v.mp4 --out d --preset high --model triposr --num-frames 3 --device cpu"
        " --mc-resolution 64 --diameter-mm 680 --motion spin --verbose"
    )
    options = build_parser().parse_args(text.split())
    assert options.command == "reconstruct"
    assert options.diameter_mm == 680


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from flows.cli.parser import build_parser; build_parser().format_help(); "
        "bad = {'torch', 'prefect', 'cv2', 'numpy', 'pydantic'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_the_command_for_help_imports_nothing_that_only_runs_need() -> None:
    code = (
        "import atexit, sys; sys.argv[1:] = ['--help']; before = set(sys.modules); "
        "of_runs = {'flows.cli.warm_start', 'secrets', 'socket', 'subprocess', 'hashlib'}; "
        "atexit.register(lambda: sys.stderr.write(str(of_runs & set(sys.modules) - before))); "
        "from flows.cli.main import run; run()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (told.returncode, told.stderr) == (0, "set()")
    assert told.stdout.startswith("usage: tyre3d")


@pytest.mark.parametrize(
    "words",
    [
        ["view", "x", "--serve", "--port", "65536"],
        ["view", "x", "--serve", "--port", "-1"],
        ["ui", "--port", "99999"],
        ["ui", "--port", "0"],
        ["worker", "cpu", "--limit", "0"],
        ["worker", "cpu", "--silence-s", "nan"],
        ["drain", "cpu", "--within-s", "nan"],
        ["reconstruct", "x", "--out", ""],
        ["history", "", "--out", "x"],
    ],
)
def test_numbers_and_names_that_cannot_be_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args(words)
    assert stop.value.code == 2
    assert "[usage]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["reconstruct", "a", "--out", "b", "--presett", "fast"], "tyre3d reconstruct"),
        (["models", "list", "--jsno"], "tyre3d models list"),
    ],
)
def test_what_a_command_does_not_know_leads_to_its_own_help(
    words: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(words)
    assert capsys.readouterr().err.endswith(f". Run: {command} --help\n")


def test_places_are_absolute_and_addresses_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out, place in (("out", tmp_path / "out"), ("s3://b/out/", "s3://b/out")):
        options = build_parser().parse_args(["reconstruct", "a.mp4", "--out", out])
        assert options.out == place


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (seconds_of, "30d", 30 * 86400.0),
        (seconds_of, "12h", 43200.0),
        (seconds_of, "90m", 5400.0),
        (seconds_of, "0s", 0.0),
        (bytes_of, "50G", 5e10),
        (bytes_of, "50gb", 5e10),
        (bytes_of, "500M", 5e8),
        (bytes_of, "2tB", 2e12),
        (bytes_of, "7k", 7e3),
        (size_of, "1280X720", (1280, 720)),
        (size_of, "16x4096", (16, 4096)),
    ],
)
def test_units(kind: Callable[[str], object], text: str, value: object) -> None:
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "texts", "said"),
    [
        (seconds_of, ("", "d", "30", "-1d", "1.5h", "30 d", "30D"), "one of d, h, m, s"),
        (bytes_of, ("", "G", "50", "1.5G", "50GBB"), "one of T, G, M, K"),
        (size_of, ("", "720", "x", "720x", "720x-2", "7.5x8"), "a size such as 1280x720"),
        (size_of, ("721x720", "14x720", "720x4098"), "even numbers from 16 to 4096"),
    ],
)
def test_what_is_no_such_number_is_refused(
    kind: Callable[[str], object], texts: tuple[str, ...], said: str
) -> None:
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError, match=said):
            kind(text)


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["reconstruct", "a", "--out", "b", "--quiet", "--verbose"])
    assert "[usage]" in capsys.readouterr().err


def test_an_error_for_machines_says_whether_another_try_helps() -> None:
    told = json.loads(error_json(Failure("server-away", "start", "gone"), 6))["error"]
    assert (told["code"], told["exit_code"], told["retryable"]) == ("server-away", 6, True)
    assert told["message"] == "gone"
