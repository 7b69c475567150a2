"""Progress as a person sees it: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import sys
import time

import pytest

from configs.progress import SHARES
from flows.cli.progress import in_words, shown_progress
from tasks.core.progress import report
from tests.flows.cli.terminal import Terminal


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


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
        seen, until = b"", time.monotonic() + 30  # the terminal hands it on when it has time
        while b"extract" not in seen and time.monotonic() < until:
            with contextlib.suppress(BlockingIOError):
                seen += os.read(reader, 4096)
            time.sleep(0.01)
        assert b"extract" in seen


def test_minutes_and_seconds() -> None:
    assert [in_words(s) for s in (0.2, 59.6, 754)] == ["0:00", "1:00", "12:34"]


def test_a_stage_that_tries_another_way_says_so_once() -> None:
    log = io.StringIO()
    with shown_progress(log, {}):
        for done in (0, 1, 1):
            report("estimate-poses", done, 0)
    told = [line.split("  ")[-1] for line in log.getvalue().splitlines()]
    assert told == ["estimate-poses", "estimate-poses, way 2"]
