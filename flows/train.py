"""Train the bundled tyre model: generate views, train from the last checkpoint, publish.

Killed at any point, the flow goes on where it was: shards that exist are kept, the trainer resumes
from its last checkpoint. Generation and training are processes of their own, side by side; they end
with the flow's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from prefect import flow, task

from configs.presets import BUNDLED_MODEL
from configs.registry import BUNDLED
from configs.training import TrainConfig
from flows.support.training import CURVES, publish, train
from tasks.core.processes import run_child
from tasks.training.reconstruction.trainer import FINAL

VALIDATION_SHARDS = 3

FIRST_SHARDS = 4
"""Training shards that training starts with; more come while it runs."""


@task(name="generate views", task_run_name="generate {split} views", retries=2)
def generate(data_dir: Path, split: str, shards: int, processes: int = 1) -> None:
    """Generate the shards that are missing, in processes of their own at low priority."""
    arguments = [str(data_dir), "--split", split, "--shards", str(shards)]
    arguments += ["--processes", str(processes)]
    run_child("tasks.synthetic.datasets.dataset", *arguments, niceness=5)  # the trainer comes first


@flow(name="train", flow_run_name="train-{model.parent.name}")
def train_tyre_model(
    *,
    work_dir: Path = Path("work/training"),
    settings: TrainConfig = TrainConfig(),  # noqa: B008  it is frozen
    shards: int = 250,
    processes: int = 1,
    model: Path = BUNDLED / BUNDLED_MODEL / "config.yaml",
    start_from: Path | None = None,
    publish_to: Path | None = None,
) -> None:
    """Generate data and train.

    Args:
        work_dir: Where shards and checkpoints are kept between runs.
        settings: Settings of the training: budget, rate, device and more. With a budget of steps
            all shards are generated first, so that the training can be repeated exactly.
        shards: Number of training shards, of 32 tyres each.
        processes: Number of processes that generate at the same time, beside the trainer.
        model: Configuration of the network.
        start_from: Weights to go on from when the run has no checkpoint yet.
        publish_to: Where the best weights go, such as the model's folder; None to leave them.
    """
    data_dir, run_dir = work_dir / "data", work_dir / "run"
    generate(data_dir, "validation", VALIDATION_SHARDS, processes)
    generate(data_dir, "train", min(FIRST_SHARDS, shards), processes)
    more = generate.submit(data_dir, "train", shards, processes)
    if settings.steps is not None:
        more.result()
    arguments = ["--data", str(data_dir), "--model", str(model)]
    if start_from is not None:
        arguments += ["--start-from", str(start_from)]
    train("reconstruction", data_dir, run_dir, settings, arguments)
    more.wait()
    if publish_to is not None:
        publish(run_dir / FINAL, publish_to)
        if (run_dir / CURVES).exists():
            shutil.copyfile(run_dir / CURVES, publish_to.with_name(CURVES))


if __name__ == "__main__":
    train_tyre_model()
