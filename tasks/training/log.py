"""What a training tells of itself, line by line."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingLog:
    """A training's log, in order of steps."""

    rows: list[dict[str, float]]

    @property
    def losses(self) -> list[dict[str, float]]:
        """The rows that tell losses."""
        return [r for r in self.rows if "loss" in r]

    @property
    def scores(self) -> list[dict[str, float]]:
        """The rows that tell validation scores."""
        return [r for r in self.rows if "iou_median" in r]

    @classmethod
    def read(cls, path: Path) -> TrainingLog:
        """Read ``log.jsonl``; a half-written line (the trainer may be writing) is left out."""
        rows = []
        for line in path.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line))
        return cls(rows)
