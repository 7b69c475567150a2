"""Curves of a training from its log."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from tasks.training.log import TrainingLog


def plot_curves(log: TrainingLog, path: Path) -> None:
    """Plot loss and validation IoU against training minutes as PNG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot([r["seconds"] / 60 for r in log.losses], [r["loss"] for r in log.losses], lw=0.8)
    left.set(xlabel="training minutes", ylabel="loss")
    minutes = [r["seconds"] / 60 for r in log.scores]
    for key, label in (
        ("iou_median", "median"),
        ("iou_mean", "mean"),
        ("iou_p10", "10th per cent"),
    ):
        right.plot(minutes, [r[key] for r in log.scores], marker=".", lw=0.8, label=label)
    right.set(xlabel="training minutes", ylabel="validation IoU")
    right.legend(loc="center right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
