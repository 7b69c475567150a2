"""Train the tyre segmenter: cut out tyres, render views, train from the last checkpoint, publish.

Killed at any point, the flow goes on where it was: shards that exist are kept, the trainer resumes
from its last checkpoint.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from prefect import flow, task
from prefect.futures import wait

from configs.training import SegmentConfig
from flows.support.training import CURVES, publish, train
from tasks.core.processes import run_child
from tasks.training.segmentation.trainer import WEIGHTS

FIRST_SHARDS = 4
"""Shards of cut-outs that training starts with, one of them to validate on."""


@task(name="make segmenter's data", task_run_name="make {shards} shards of {kind}", retries=2)
def make(kind: str, data_dir: Path, shards: int) -> None:
    """Make the shards that are missing, in a process of their own at low priority.

    Args:
        kind: Module that makes them: ``cutouts`` or ``views``.
        data_dir: Where they go.
        shards: How many there shall be.
    """
    arguments = [str(data_dir), "--shards", str(shards)]
    run_child(f"tasks.training.segmentation.{kind}", *arguments, niceness=5)


@flow(name="train-segmenter")
def train_tyre_segmenter(
    *,
    work_dir: Path = Path("work/segmentation"),
    settings: SegmentConfig = SegmentConfig(),  # noqa: B008  it is frozen
    shards: int = 40,
    view_shards: int = 500,
    start_from: Path | None = None,
    publish_to: Path | None = None,
) -> None:
    """Make data and train.

    Args:
        work_dir: Where shards and checkpoints are kept between runs.
        settings: Settings of the training: budget, rate, device and more. With a budget of steps
            all shards are made first, so that the training can be repeated exactly.
        shards: Shards of cut-out tyres, 40 views of eight tyres each.
        view_shards: Shards of rendered views, 16 each.
        start_from: Weights to go on from when the run has no checkpoint yet.
        publish_to: The segmenter's folder; None to leave the weights in ``work_dir``.
    """
    data_dir, run_dir = work_dir / "data", work_dir / "run"
    make("cutouts", data_dir, min(FIRST_SHARDS, shards))
    more = [make.submit("cutouts", data_dir, shards), make.submit("views", data_dir, view_shards)]
    if settings.steps is not None:
        for part in more:
            part.result()
    arguments = [str(data_dir)]
    if start_from is not None:
        arguments += ["--start-from", str(start_from)]
    train("segmentation", data_dir, run_dir, settings, arguments)
    wait(more)
    if publish_to is not None:
        publish(run_dir / WEIGHTS, publish_to / WEIGHTS)
        if (run_dir / CURVES).exists():
            shutil.copyfile(run_dir / CURVES, publish_to / CURVES)


if __name__ == "__main__":
    train_tyre_segmenter()
