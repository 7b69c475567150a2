"""How commands speak: help with examples, JSON, silence, colours, progress, completion."""

from __future__ import annotations

import io
import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from configs.progress import SHARES, WAYS
from flows.cli.colours import painted
from flows.cli.examples import EXAMPLES, EXIT_CODES
from flows.cli.main import main
from flows.cli.parser import build_parser
from flows.cli.progress import in_words, shown_progress
from flows.support.stage_times import Pace, remember, remembered
from tasks.core.errors import Tyre3dError
from tasks.core.progress import report

COMMANDS = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _surroundings(own_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_examples_that_it_takes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in EXAMPLES[command]:
        words = shlex.split(line.partition(" > ")[0])
        assert words[:2] == ["tyre3d", command]
        assert build_parser().parse_args(words[1:]).command == command
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out
    assert "examples:" in told
    assert len(told.partition("options:")[0].splitlines()) >= 3, "usage, and what it is for"


def test_the_help_tells_of_all_exit_codes() -> None:
    codes = {kind.exit_code for kind in (Tyre3dError, *Tyre3dError.__subclasses__())}
    for code in (0, 7, 130, 143, *codes):
        assert f" {code}  " in EXIT_CODES
    assert EXIT_CODES in build_parser().format_help()


def test_an_error_is_json_where_it_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reconstruct", str(tmp_path / "no.mp4"), "--out", str(tmp_path), "--json"]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert (error["code"], error["stage"]) == ("input-missing", "extract")
    assert (error["exit_code"], error["retryable"]) == (2, False)
    assert captured.err.startswith("tyre3d: [input-missing]")


def test_words_that_are_not_understood_are_json_where_it_was_asked_for() -> None:
    command = [sys.executable, "-m", "flows.cli", "reconstruct", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    error = json.loads(said.stdout)["error"]
    assert (error["code"], error["exit_code"], error["retryable"]) == ("usage", 2, False)
    assert "INPUT" in error["message"]
    assert "[usage]" in said.stderr
    assert said.returncode == 2


def test_lists_are_json_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    assert "triposr" in {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert main(["prune", "--older-than", "1d", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["artifacts"] == 0


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert painted("fail", "red", Terminal()) == "\x1b[31mfail\x1b[0m"
    assert painted("fail", "red", io.StringIO()) == "fail"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("fail", "red", Terminal()) == "fail"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert painted("fail", "red", Terminal()) == "fail"


def test_progress_is_a_bar_on_a_terminal_lines_elsewhere_and_nothing_if_quiet() -> None:
    shown = {}
    for name, out, quiet in (
        ("terminal", Terminal(), False),
        ("log", io.StringIO(), False),
        ("quiet", Terminal(), True),
    ):
        with shown_progress(out, dict.fromkeys(SHARES, 60.0), quiet=quiet):
            report("extract", 0, 0)
            report("inspect", 1, 2)
        shown[name] = out.getvalue()
    assert "inspect" in shown["terminal"]
    assert "10:30 left" in shown["terminal"], "half of inspect and the ten that follow"
    assert [line.split()[-1] for line in shown["log"].splitlines()] == ["extract", "inspect"]
    assert "\r" not in shown["log"]
    assert shown["quiet"] == ""


def test_progress_is_seen_on_a_terminal_that_does_not_know_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = pty.openpty()  # 0 x 0, as of a container without a window
    with os.fdopen(reader, "rb", buffering=0), os.fdopen(writer, "w") as out:
        monkeypatch.setattr(sys, "stderr", out)  # whose rows the bar looks at
        os.set_blocking(reader, False)
        with shown_progress(out, {}):
            report("extract", 0, 0)
        assert b"extract" in os.read(reader, 4096)


def test_the_time_left_is_that_of_earlier_runs_and_follows_the_pace_of_this_one() -> None:
    expected = {stage: 10.0 for stage in SHARES}
    pace = Pace(expected)
    pace.begin("extract", 100.0)
    assert pace.left_s(100.0) == pytest.approx(120.0)
    pace.begin("inspect", 110.0)
    assert pace.left_s(110.0) == pytest.approx(110.0)
    assert pace.share(110.0) == pytest.approx(1 / 12)
    pace.step(1, 2, 115.0)
    assert pace.left_s(115.0) == pytest.approx(105.0)
    pace.begin("remove-backgrounds", 170.0)  # six times as long as before
    left = pace.left_s(170.0)
    assert left is not None
    assert 150 < left < 300
    found = Pace(expected)
    found.begin("extract", 0.0)
    found.begin("inspect", 0.1)  # it was there already: that tells nothing of the pace
    assert found.left_s(0.1) == pytest.approx(110.0)
    assert Pace({}).left_s(1.0) is None


def test_a_stage_that_tries_another_way_takes_longer_and_says_so() -> None:
    expected = {stage: 10.0 for stage in SHARES}
    pace = Pace(expected)
    pace.begin("estimate-poses", 0.0)
    rest = 10.0 * (len(SHARES) - list(SHARES).index("estimate-poses") - 1)
    assert pace.left_s(0.0) == pytest.approx(10.0 + rest)
    assert pace.left_s(18.0) == pytest.approx(2.0 + rest), "what takes longer is not done at once"
    pace.step(1, 0, 20.0)
    ways = WAYS["estimate-poses"]
    second = 20.0 * ways[1]
    assert pace.left_s(20.0) == pytest.approx(second + rest)
    assert pace.left_s(30.0) == pytest.approx(second - 10.0 + rest)
    pace.step(2, 0, 50.0)
    assert pace.left_s(50.0) == pytest.approx(50.0 * ways[2] / sum(ways[:2]) + rest)
    pace.begin("rectify", 90.0)  # the rest follows no pace of a film that was hard to find
    assert pace.left_s(90.0) == pytest.approx(rest)
    log = io.StringIO()
    with shown_progress(log, {}):
        for done in (0, 1, 1):
            report("estimate-poses", done, 0)
    told = [line.split("  ")[-1] for line in log.getvalue().splitlines()]
    assert told == ["estimate-poses", "estimate-poses, way 2"]


def test_the_pace_is_remembered_and_damage_forgotten(tmp_path: Path) -> None:
    def run(seconds: float, state: str = "Completed") -> None:
        stages = [{"stage": s, "state": state, "seconds": seconds} for s in SHARES]
        remember(tmp_path, "fast", stages)

    assert remembered(tmp_path, "fast") == {}
    for seconds in (9.0, 1.0, 2.0, 3.0, 4.0, 5.0):
        run(seconds)
    run(0.01, "Cached")
    assert remembered(tmp_path, "fast") == dict.fromkeys(SHARES, 3.0)
    assert remembered(tmp_path, "high") == {}
    for text in ('{"fast": 1}', '{"fast": {"extract": "x"}}', "[", "[]"):
        (tmp_path / "pace.json").write_text(text)
        assert remembered(tmp_path, "fast") == {}
        run(1.0)
        assert remembered(tmp_path, "fast") == dict.fromkeys(SHARES, 1.0)
    remember(tmp_path / "gone", "fast", [{"stage": "extract", "state": "Completed", "seconds": 1}])


def test_minutes_and_seconds() -> None:
    assert [in_words(s) for s in (0.2, 59.6, 754)] == ["0:00", "1:00", "12:34"]


def test_a_shell_completes_commands_options_and_choices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "tyre3d.bash"
    script.write_text(capsys.readouterr().out)
    tries = """
        source "$0"
        try() { COMP_WORDS=(tyre3d "$@"); COMP_CWORD=$#; _shtab_tyre3d; echo "${COMPREPLY[@]}"; }
        try rec; try reconstruct --pres; try reconstruct --preset ''
        touch "$1/films.csv"; cd "$1"
        try compare fil; try compare films.csv fil; try history fil; try gauge fil
    """
    told = subprocess.run(
        ["bash", "-c", tries, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    words = ["reconstruct", "--preset", "fast", "balanced", "high"]
    assert told.stdout.split() == [*words, *["films.csv"] * 4]
