"""Progress while stages run: one bar on a terminal, a line when a stage begins in a log."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO

from tqdm import tqdm

from configs.stages import StageName
from flows.support.stage_times import Pace
from tasks.core.progress import Listener, listening

_REDRAWN_EVERY_S = 0.5
_USUAL_COLUMNS, _USUAL_ROWS = 80, 24
_WORDS = len("estimate-poses, way 2")
_FORMAT = "{desc} {bar:30} {percentage:3.0f} % {elapsed}{postfix}"


@contextlib.contextmanager
def shown_progress(
    out: IO[str], expected: Mapping[str, float], *, quiet: bool = False
) -> Iterator[None]:
    """Within this block the progress of stages is shown.

    Args:
        out: Where.
        expected: Seconds that each stage took in earlier runs; empty: not known.
        quiet: Whether nothing is shown.
    """
    if quiet:
        yield
    elif out.isatty():
        with Bar(out, expected) as bar, listening(bar):
            yield
    else:
        with listening(lines(out)):
            yield


def lines(out: IO[str]) -> Listener:
    """A listener that writes a line when a stage begins."""
    started, last = time.monotonic(), ""

    def write_line(stage: str, done: int, total: int) -> None:
        nonlocal last
        doing = _doing(stage, done, total)
        if doing != last:
            last = doing
            out.write(f"{time.monotonic() - started:7.1f} s  {doing}\n")
            out.flush()

    return write_line


class Bar:
    """A listener that shows one bar for the whole run, and the time that is left.

    Args:
        out: A terminal.
        expected: Seconds that each stage took in earlier runs; empty: not known.
    """

    def __init__(self, out: IO[str], expected: Mapping[str, float]) -> None:
        self._expected = expected
        self._pace = Pace(expected)
        self._stage = self._doing = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._bar = tqdm(
            total=1.0,
            file=out,
            leave=False,
            bar_format=_FORMAT,
            desc=f"{'start':<{_WORDS}}",
            **_size(out),
        )
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Bar:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._clock.join()
        self._bar.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that ``stage`` has done ``done`` of ``total`` steps, as listeners are told."""
        with self._lock:
            now = time.monotonic()
            if stage != self._stage:
                if stage == StageName.EXTRACT and self._stage:  # the next tyre of a batch
                    self._pace = Pace(self._expected)
                    self._bar.reset()
                self._stage = stage
                self._pace.begin(stage, now)
            self._doing = _doing(stage, done, total)
            self._pace.step(done, total, now)
            self._draw(now)

    def _tick(self) -> None:
        while not self._ended.wait(_REDRAWN_EVERY_S):
            with self._lock:
                self._draw(time.monotonic())

    def _draw(self, now: float) -> None:
        left = self._pace.left_s(now)
        self._bar.n = max(self._bar.n, self._pace.share(now))  # it never goes back
        if self._stage:
            self._bar.set_description_str(f"{self._doing:<{_WORDS}}", refresh=False)
        self._bar.set_postfix_str("" if left is None else f"{in_words(left)} left", refresh=False)
        self._bar.refresh()


def _size(out: IO[str]) -> dict[str, int]:
    """The size to draw for where the terminal does not know its own, as in some containers."""
    with contextlib.suppress(OSError, ValueError):
        if not os.get_terminal_size(out.fileno()).columns:
            return {"ncols": _USUAL_COLUMNS, "nrows": _USUAL_ROWS}  # of no rows nothing is drawn
    return {}


def _doing(stage: str, done: int, total: int) -> str:
    """The stage, and which way it tries where it tried others in vain."""
    return f"{stage}, way {done + 1}" if done and not total else stage


def in_words(seconds: float) -> str:
    """Minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
