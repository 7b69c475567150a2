"""How long each stage took in earlier runs here, and what follows for the one that is running."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.progress import SHARES, WAYS
from configs.request import MeshOptions
from tasks.storage.partial_files import part_of

_FILE = "pace.json"
_KEPT = 5
"""Runs that are remembered."""
_CACHED_BELOW = 0.2
"""A stage that took so small a part of what was expected was found, not made."""
_NEVER_MORE = 0.9
"""What is done of a stage that took all its time and has not ended."""
_TRUST = 0.2
"""How much of the whole has to be done until its pace counts as much as that of earlier runs."""


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
        expected: Seconds of each stage in earlier runs; empty: not known.
    """

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._expected = dict(expected)
        self._weights = self._expected or SHARES
        self._all = sum(self._weights.values())
        self._made = self._meant = 0.0  # seconds of stages that were made: taken, and expected
        self._passed = 0.0  # weights of the stages before
        self._stage, self._began, self._done = "", 0.0, 0.0
        self._ways, self._way_began = 0, 0.0

    def begin(self, stage: str, now: float) -> None:
        """A stage begins, which ends the one before."""
        if self._stage:
            taken, meant = now - self._began, self._expected.get(self._stage, 0.0)
            # what was found took no time; where ways are tried, time tells of the film
            if taken > _CACHED_BELOW * meant and self._stage not in WAYS:
                self._made += taken
                self._meant += meant
                self._passed += self._weights.get(self._stage, 0.0)
        self._stage, self._began, self._done = stage, now, 0.0
        self._ways, self._way_began = 0, now

    def step(self, done: int, total: int, now: float) -> None:
        """The stage has done ``done`` of ``total`` steps.

        Where no total is told, so many ways were tried in vain, and another one is tried now.
        """
        self._done = min(max(done / total, 0.0), 1.0) if total else 0.0
        if not total and done > self._ways:
            self._ways, self._way_began = done, now

    def share(self, now: float) -> float:
        """How much of the whole is done, 0 to 1."""
        stages = list(self._weights)
        if self._stage not in stages:
            return 0.0
        before = sum(self._weights[name] for name in stages[: stages.index(self._stage)])
        return (before + self._weights[self._stage] * self.share_of_stage(now)) / self._all

    def left_s(self, now: float) -> float | None:
        """Seconds until the end; None where no earlier run tells."""
        stages = list(self._expected)
        if self._stage not in stages:
            return None
        after = sum(self._expected[name] for name in stages[stages.index(self._stage) + 1 :])
        return self._of_stage_s(now) * (1.0 - self.share_of_stage(now)) + after * self._slower

    @property
    def _slower(self) -> float:
        """Seconds that this run takes for each that earlier ones took."""
        trusted = _TRUST * self._all
        return (self._made + trusted) / (self._meant + trusted)

    def share_of_stage(self, now: float) -> float:
        """By its own steps, or by time where it tells of none; never quite all of it."""
        whole = self._of_stage_s(now)
        return self._done or (min((now - self._began) / whole, _NEVER_MORE) if whole else 0.0)

    def _of_stage_s(self, now: float) -> float:
        """Seconds that the running stage takes in all, as far as is known.

        Without earlier runs the stages before this one tell.
        """
        if self._expected:
            meant = self._expected.get(self._stage, 0.0) * self._slower
        else:
            weight = self._weights.get(self._stage, 0.0)
            meant = weight * self._made / self._passed if self._passed else 0.0
        if self._ways:
            before = self._way_began - self._began
            longer = _ways(self._stage, self._ways + 1) / _ways(self._stage, self._ways)
            meant = max(meant, before * longer)
        taken = now - self._began
        # what takes longer than it should will take longer still; the more is done by its own
        # steps, the more these tell
        own = meant * (1.0 - self._done) + taken if self._done else taken / _NEVER_MORE
        return max(meant, own) if meant else 0.0
