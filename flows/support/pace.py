"""How long each stage took in earlier runs here, and what follows for the one that is running."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.progress import SHARES
from configs.request import MeshOptions
from tasks.storage.parts import part_of

_FILE = "pace.json"
_KEPT = 5
"""Runs that are remembered."""
_CACHED_BELOW = 0.2
"""A stage that took so small a part of what was expected was found, not made."""
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
    told = _read(home / _FILE)
    before = told.get(kind)
    known = before if isinstance(before, dict) else {}
    for stage, seconds in made.items():
        earlier = known.get(stage)
        known[stage] = [*(earlier if isinstance(earlier, list) else []), seconds][-_KEPT:]
    with contextlib.suppress(OSError), part_of(home / _FILE) as part:
        part.write_text(json.dumps({**told, kind: known}))
        part.replace(home / _FILE)


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


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

    def begin(self, stage: str, now: float) -> None:
        """A stage begins, which ends the one before."""
        if self._stage:
            taken, meant = now - self._began, self._expected.get(self._stage, 0.0)
            if taken > _CACHED_BELOW * meant:
                self._made += taken
                self._meant += meant
            self._passed += self._weights.get(self._stage, 0.0)
        self._stage, self._began, self._done = stage, now, 0.0

    def step(self, share: float) -> None:
        """So much of the stage is done, 0 to 1."""
        self._done = min(max(share, 0.0), 1.0)

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
        meant = self._expected[self._stage]
        trusted = _TRUST * self._all
        slower = (self._made + trusted) / (self._meant + trusted)
        return (meant * (1.0 - self.share_of_stage(now)) + after) * slower

    def share_of_stage(self, now: float) -> float:
        """By its own steps, or by time where it tells of none; never quite all of it.

        Without earlier runs the stages before this one tell how long it takes.
        """
        if self._done:
            return self._done
        meant = self._expected.get(self._stage, 0.0)
        if not self._expected and self._passed:
            meant = self._weights.get(self._stage, 0.0) * self._made / self._passed
        return min((now - self._began) / meant, 0.95) if meant else 0.0
