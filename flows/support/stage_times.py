"""How long each stage took in earlier runs here, and what follows for the one that is running."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.progress import SHARES, USUAL_S, WAYS
from configs.request import MeshOptions
from tasks.storage.partial_files import part_of

_FILE = "pace.json"
_KEPT = 5
"""Runs that are remembered."""
_CACHED_BELOW = 0.2
"""A stage that took so small a part of what was expected was found, not made."""
_NEVER_MORE = 0.9
"""What is done of a stage, or of a way of it, that took all its time and has not ended."""
_TRUST = 0.2
"""How much of the whole has to be done until its pace counts as much as that of earlier runs."""
_TRUST_OF_GUESS = 0.01
"""The same where there were none: of another film on another machine."""


def kind_of(options: MeshOptions) -> str:
    """What tells runs of different length apart."""
    return f"{options.chosen_frames} frames at {options.resolution}"


def remembered(home: Path, kind: str) -> dict[str, float]:
    """Seconds of each stage in earlier runs, the median; empty where none is known.

    Args:
        home: Folder of this installation.
        kind: From :func:`kind_of`.
    """
    known = _read(home / _FILE).get(kind, {})
    try:
        return {stage: statistics.median(map(float, known[stage])) for stage in SHARES}
    except (KeyError, TypeError, ValueError, AttributeError):  # no whole run yet, or damaged
        return {}


def remember(home: Path, kind: str, stages: Sequence[Mapping[str, Any]]) -> None:
    """Keep the seconds of the stages that a run made; whatever fails, the run is done.

    Args:
        home: Folder of this installation.
        kind: As above.
        stages: ``stage``, ``state`` and ``seconds`` of each, from the metadata.
    """
    made = {s["stage"]: s["seconds"] for s in stages if s["state"] == "Completed"}
    if not made:
        return
    record = _read(home / _FILE)
    before = record.get(kind)
    known = before if isinstance(before, dict) else {}
    for stage, seconds in made.items():
        earlier = known.get(stage)
        known[stage] = [*(earlier if isinstance(earlier, list) else []), seconds][-_KEPT:]
    with contextlib.suppress(OSError), part_of(home / _FILE) as part:
        part.write_text(json.dumps({**record, kind: known}))
        part.replace(home / _FILE)


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _ways(stage: str, count: int) -> float:
    """What the first so many ways of a stage take together."""
    each = WAYS.get(stage, (1.0,))
    return sum(each[:count]) + max(count - len(each), 0) * each[-1]


class Pace:
    """What is done of a run, and how long the rest will take.

    Args:
        expected: Seconds of each stage in earlier runs; empty: not known. What is done then follows
            the sample film's; nothing is said of the time left.
    """

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._known = bool(expected)
        guess = {stage: USUAL_S * share for stage, share in SHARES.items()}
        self._expected = dict(expected) or guess
        self._all = sum(self._expected.values())
        self._made = self._meant = 0.0  # seconds of stages that were made: taken, and expected
        self._stage, self._began, self._done = "", 0.0, 0.0
        self._ways, self._way_began, self._done_before_way = 0, 0.0, 0.0

    def begin(self, stage: str, now: float) -> None:
        """A stage begins, which ends the one before."""
        if self._stage:
            taken, meant = now - self._began, self._expected.get(self._stage, 0.0)
            # what was found took no time; where ways are tried, time tells of the film
            if taken > _CACHED_BELOW * meant and self._stage not in WAYS:
                self._made += taken
                self._meant += meant
        self._stage, self._began, self._done = stage, now, 0.0
        self._ways, self._way_began, self._done_before_way = 0, now, 0.0

    def step(self, done: int, total: int, now: float) -> None:
        """The stage has done ``done`` of ``total`` steps.

        Where no total is told, so many ways were tried in vain, and another one is tried now.
        """
        if not total and done > self._ways:
            self._done_before_way = self.share_of_stage(now)
            self._ways, self._way_began = done, now
        self._done = min(max(done / total, 0.0), 1.0) if total else 0.0

    def share(self, now: float) -> float:
        """How much of the whole is done, 0 to 1."""
        stages = list(self._expected)
        if self._stage not in stages:
            return 0.0
        before = sum(self._expected[name] for name in stages[: stages.index(self._stage)])
        return (before + self._expected[self._stage] * self.share_of_stage(now)) / self._all

    def left_s(self, now: float) -> float | None:
        """Seconds until the end; None where no earlier run tells."""
        stages = list(self._expected)
        if not self._known or self._stage not in stages:
            return None
        after = sum(self._expected[name] for name in stages[stages.index(self._stage) + 1 :])
        return self._left_of_stage_s(now) + after * self._slower

    @property
    def _slower(self) -> float:
        """Seconds that this run takes for each that earlier ones took."""
        trusted = (_TRUST if self._known else _TRUST_OF_GUESS) * self._all
        return (self._made + trusted) / (self._meant + trusted)

    def share_of_stage(self, now: float) -> float:
        """By its own steps, or by time where it tells of none: that grows, and is never quite all.

        A way that begins goes on from what was done by then, in the time that it is meant to take.
        """
        if self._done:
            return self._done
        way_s = self._meant_of_stage_s() - (self._way_began - self._began)
        left = 1.0 - self._done_before_way
        return self._done_before_way + left * _share_by_time(now - self._way_began, way_s)

    def _left_of_stage_s(self, now: float) -> float:
        """Seconds until the running stage ends, as far as is known."""
        meant, taken = self._meant_of_stage_s(), now - self._began
        if self._done:  # the more is done by its own steps, the more these tell
            return max(meant, meant * (1.0 - self._done) + taken) * (1.0 - self._done)
        # what takes longer than it should will take longer still
        return max(meant, taken / _NEVER_MORE) - taken if meant else 0.0

    def _meant_of_stage_s(self) -> float:
        """Seconds that the running stage should take in all."""
        meant = self._expected.get(self._stage, 0.0) * self._slower
        if self._ways:
            before = self._way_began - self._began
            longer = _ways(self._stage, self._ways + 1) / _ways(self._stage, self._ways)
            meant = max(meant, before * longer)
        return meant


def _share_by_time(taken_s: float, meant_s: float) -> float:
    """What is done of something that takes so long; beyond that it is ever slower, but moves."""
    if meant_s <= 0.0:
        return 0.0
    share = taken_s / meant_s
    return share if share <= _NEVER_MORE else 1.0 - (1.0 - _NEVER_MORE) * _NEVER_MORE / share
