"""Processes that end with whoever started them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tasks.core.processes import run_child, start_child

NICENESS = str(os.nice(0)).encode()
"""What this process has, and its children after it."""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that writes its name, its words and its niceness, and may then wait for ever."""
    (tmp_path / "child_of_test.py").write_text(
        "import os, sys, time\n"
        "print(__name__, *sys.argv[1:], os.nice(0), flush=True)\n"
        "if sys.argv[-1].isdigit(): sys.exit(int(sys.argv[-1]))\n"
        "if sys.argv[-1] == 'wait': time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")
    return "child_of_test"


def test_a_module_runs_with_its_arguments(module: str) -> None:
    child = start_child(module, "a b", "c", stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout, child:
        assert child.stdout.read().split() == [b"__main__", b"a", b"b", b"c", NICENESS]
        assert child.wait(timeout=600) == 0


def test_it_ends_where_the_pipe_to_its_parent_does(module: str) -> None:
    """However that came about: the system closes it for one that was killed."""
    child = start_child(module, "wait", stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline().split()[-1] == NICENESS
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(timeout=600) == -15
    child.stdout.close()


def test_one_that_is_waited_for_is_nice_and_its_failure_told(
    module: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run_child(module, "x", niceness=3)
    assert capfd.readouterr().out.split() == ["__main__", "x", str(os.nice(0) + 3)]
    with pytest.raises(RuntimeError, match="child_of_test ended with exit code 7"):
        run_child(module, "7")
