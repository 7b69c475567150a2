"""How commands speak: help with examples, errors and lists as JSON."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.examples import EXAMPLES, EXIT_CODES
from flows.cli.main import main
from flows.cli.parser import build_parser
from tasks.core.errors import Tyre3dError

COMMANDS = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def _surroundings(own_home: None) -> None: ...


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


@pytest.mark.parametrize("words", ["models list", "models fetch", "config show"])
def test_actions_have_examples_of_their_own(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words.split(), "--help"])
    _, _, below = capsys.readouterr().out.partition("examples:\n")
    lines = below.splitlines()
    assert lines
    assert all(line.startswith(f"  tyre3d {words}") for line in lines)
