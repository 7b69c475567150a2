"""Curves of a training from its log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@dataclass(frozen=True)
class TrainingLog:
    """A training's log, in order of steps: losses and validation scores."""

    losses: list[dict[str, float]]
    scores: list[dict[str, float]]

    @classmethod
    def read(cls, path: Path) -> TrainingLog:
        """Read ``log.jsonl``; a half-written last line (the trainer may be writing) is left out."""
        rows = []
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return cls([r for r in rows if "loss" in r], [r for r in rows if "iou_median" in r])


def plot_curves(log: TrainingLog, path: Path) -> None:
    """Plot loss and validation volume IoU against training minutes as PNG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot([r["seconds"] / 60 for r in log.losses], [r["loss"] for r in log.losses], lw=0.8)
    left.set(xlabel="training minutes", ylabel="occupancy loss", yscale="log")
    minutes = [r["seconds"] / 60 for r in log.scores]
    for key, label in (
        ("iou_median", "median"),
        ("iou_mean", "mean"),
        ("iou_p10", "10th per cent"),
    ):
        right.plot(minutes, [r[key] for r in log.scores], marker=".", lw=0.8, label=label)
    right.set(xlabel="training minutes", ylabel="validation volume IoU, single view")
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
