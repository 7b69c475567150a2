"""Train the network that fuses the bundled model's fields: film subjects, train, publish.

Killed at any point, the flow goes on where it was: subjects that exist are kept, the trainer
resumes from its last checkpoint.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.futures import wait

from tasks.core.processes import run_child
from tasks.network.weights import FUSER, state_digest

FIRST_SUBJECTS = 24
"""Subjects that training starts with; more come while it runs."""


@task(name="film subjects", task_run_name="film subjects {part} of {processes}", retries=2)
def film(data_dir: Path, count: int, part: int = 0, processes: int = 1) -> None:
    """Make every n-th subject of ``count`` that is missing, at low priority."""
    arguments = [str(data_dir), "--count", str(count)]
    arguments += ["--first", str(part), "--every", str(processes)]
    run_child("tasks.training.fusion.subjects", *arguments, niceness=5)


@task(name="train fusing network", retries=3)
def train(data_dir: Path, run_dir: Path, minutes: float, threads: int, device: str) -> None:
    """Train from the last checkpoint until the budget is spent."""
    arguments = [str(data_dir), "--run", str(run_dir), "--device", device]
    run_child(
        "tasks.training.fusion",
        *arguments,
        "--minutes",
        str(minutes),
        "--threads",
        str(threads),
    )
    log = run_dir / "log.jsonl"
    if log.exists():
        get_run_logger().info("training finished: %s", log.read_text().splitlines()[-1])


@task(name="publish fusing network")
def publish(run_dir: Path, folder: Path) -> None:
    """Put the weights and their digest into the model's folder."""
    scratch = folder / f"{FUSER}.tmp"
    shutil.copyfile(run_dir / FUSER, scratch)
    scratch.replace(folder / FUSER)
    state_digest(folder / FUSER)


@flow(name="train-fuser")
def train_fusing_network(
    *,
    work_dir: Path = Path("work/fusion"),
    subjects: int = 150,
    processes: int = 1,
    minutes: float = 55.0,
    threads: int = 1,
    device: str = "cpu",
    publish_to: Path | None = None,
) -> None:
    """Film subjects and train on them.

    Args:
        work_dir: Where subjects and checkpoints are kept between runs.
        subjects: How many.
        processes: That make them at the same time, beside the trainer.
        minutes: Of training.
        threads: Of the trainer.
        device: Of the trainer, which keeps all subjects in its memory (35 MB each).
        publish_to: The model's folder; None to leave the weights in ``work_dir``.
    """
    data_dir, run_dir = work_dir / "data", work_dir / "run"
    film(data_dir, min(FIRST_SUBJECTS, subjects))
    more = [film.submit(data_dir, subjects, part, processes) for part in range(processes)]
    train(data_dir, run_dir, minutes, threads, device)
    wait(more)
    if publish_to is not None:
        publish(run_dir, publish_to)


if __name__ == "__main__":
    train_fusing_network()
