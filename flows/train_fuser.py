"""Train the network that fuses the bundled model's fields: film subjects, train, publish.

Killed at any point, the flow goes on where it was: subjects that exist are kept, the trainer
resumes from its last checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.futures import wait

from configs.training import FuseConfig
from flows.support.training import publish, train
from tasks.core.processes import run_child
from tasks.network.weights import FUSER

FIRST_SUBJECTS = 24
"""Subjects that training starts with; more come while it runs."""


@task(name="film subjects", task_run_name="film subjects {part} of {processes}", retries=2)
def film(data_dir: Path, count: int, part: int = 0, processes: int = 1) -> None:
    """Make every n-th subject of ``count`` that is missing, at low priority."""
    arguments = [str(data_dir), "--count", str(count)]
    arguments += ["--first", str(part), "--every", str(processes)]
    run_child("tasks.training.fusion.subjects", *arguments, niceness=5)


@flow(name="train-fuser")
def train_fusing_network(
    *,
    work_dir: Path = Path("work/fusion"),
    settings: FuseConfig = FuseConfig(),  # noqa: B008  it is frozen
    subjects: int = 150,
    processes: int = 1,
    publish_to: Path | None = None,
) -> None:
    """Film subjects and train on them.

    Args:
        work_dir: Where subjects and checkpoints are kept between runs.
        settings: Settings of the training: budget, rate, threads, device (which keeps all subjects
            in its memory, 35 MB each) and more. With a budget of steps all subjects are filmed
            first, so that the training can be repeated exactly.
        subjects: Number of subjects.
        processes: Number of processes that film at the same time, beside the trainer.
        publish_to: The model's folder; None to leave the weights in ``work_dir``.
    """
    data_dir, run_dir = work_dir / "data", work_dir / "run"
    film(data_dir, min(FIRST_SUBJECTS, subjects))
    more = [film.submit(data_dir, subjects, part, processes) for part in range(processes)]
    if settings.steps is not None:
        for part in more:
            part.result()
    train("fusion", data_dir, run_dir, settings, [str(data_dir)])
    wait(more)
    if publish_to is not None:
        publish(run_dir / FUSER, publish_to / FUSER)


if __name__ == "__main__":
    train_fusing_network()
