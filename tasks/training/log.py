"""The log of a training: a JSON object a line, in order of steps."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LOG = "log.jsonl"
"""Name of the log in a run's folder."""


@dataclass(frozen=True)
class TrainingLog:
    """A training's log, in order of steps.

    Args:
        rows: ``step`` and ``seconds`` of training beside losses or validation scores.
    """

    rows: list[dict[str, float]]

    @property
    def losses(self) -> list[dict[str, float]]:
        """The rows with losses."""
        return [r for r in self.rows if "loss" in r]

    @property
    def scores(self) -> list[dict[str, float]]:
        """The rows with validation scores."""
        return [r for r in self.rows if "iou_median" in r]

    @property
    def final(self) -> dict[str, float] | None:
        """The row of the finished weights' score, None while the training is not finished."""
        return self.rows[-1] if self.rows and self.rows[-1].get("final") else None

    @classmethod
    def read(cls, path: Path) -> TrainingLog:
        """Read a log; a half-written line (the trainer may be writing) is left out."""
        rows = []
        for line in path.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line))
        return cls(rows)


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Append a row to a log."""
    with path.open("a") as out:
        out.write(json.dumps(dict(row)) + "\n")


def repair_log(path: Path, step: int) -> None:
    """Drop the rows of steps that a kill undid, and the line that it may have cut short.

    Args:
        path: The log; it need not exist.
        step: The step from which the training goes on.
    """
    if not path.exists():
        return
    kept = [json.dumps(r) + "\n" for r in TrainingLog.read(path).rows if r["step"] <= step]
    scratch = path.with_suffix(".tmp")
    scratch.write_text("".join(kept if step else []))
    scratch.replace(path)
