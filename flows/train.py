"""Train the bundled tyre model: generate views, train from the last checkpoint, publish.

Killed at any point, the flow goes on where it was: shards that exist are kept, the trainer resumes
from its last checkpoint. Generation and training are processes of their own, side by side; they end
with the flow's.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

from prefect import State, flow, get_run_logger, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact
from prefect.futures import wait

from tasks.core.errors import InputError
from tasks.core.processes import run_child, start_child
from tasks.network.weights import state_digest
from tasks.training.config import TrainConfig
from tasks.training.log import TrainingLog
from tasks.training.report import plot_curves

MODEL_DIR = Path(__file__).parents[1] / "configs" / "models" / "tyre-mini"
_CURVES_EVERY_S = 30.0


@task(name="generate views", task_run_name="generate {split} views", retries=2)
def generate(data_dir: Path, split: str, shards: int, processes: int = 1) -> None:
    """Generate the shards that are missing, in processes of their own at low priority."""
    arguments = [str(data_dir), "--split", split, "--shards", str(shards)]
    arguments += ["--processes", str(processes)]
    run_child("tasks.synthetic.datasets.dataset", *arguments, niceness=5)  # the trainer comes first


def _not_refused(task: object, run: object, state: State[Any]) -> bool:
    """Whether another attempt can succeed: not where data or checkpoint were refused."""
    return not isinstance(state.result(raise_on_failure=False), InputError)


@task(name="train network", retries=3, retry_condition_fn=_not_refused)
def train(
    data_dir: Path, run_dir: Path, settings: TrainConfig, model: Path, start_from: Path | None
) -> None:
    """Train from the last checkpoint until the budget is spent; show the curves meanwhile."""
    logger = get_run_logger()
    arguments = ["--data", str(data_dir), "--run", str(run_dir), "--model", str(model)]
    for name, value in settings.model_dump(exclude_defaults=True).items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    if start_from is not None:
        arguments += ["--start-from", str(start_from)]
    with start_child("tasks.training.reconstruction", *arguments) as trainer:
        try:
            while trainer.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    trainer.wait(_CURVES_EVERY_S)
                _show_curves(run_dir)
        finally:
            trainer.terminate()
    if trainer.returncode == InputError.exit_code:
        raise InputError(
            "training-refused",
            stage="train",
            what=f"the trainer cannot use what is in {data_dir} and {run_dir}",
            advice="Its last line, above, says why",
        )
    if trainer.returncode:
        raise RuntimeError(f"the trainer ended with exit code {trainer.returncode}")
    _show_curves(run_dir)
    logger.info("training finished: %s", TrainingLog.read(run_dir / "log.jsonl").scores[-1])


def _show_curves(run_dir: Path) -> None:
    log_path = run_dir / "log.jsonl"
    if not log_path.exists():
        return
    log = TrainingLog.read(log_path)
    plot_curves(log, run_dir / "curves.png")
    picture = base64.b64encode((run_dir / "curves.png").read_bytes()).decode()
    create_image_artifact(key="training-curves", image_url=f"data:image/png;base64,{picture}")
    if log.scores:
        rows = "\n".join(
            f"| {s['step']:.0f} | {s['seconds'] / 60:.0f} | {s['iou_median']:.3f} |"
            for s in log.scores[-10:]
        )
        create_markdown_artifact(
            key="training-scores",
            markdown=f"| step | minutes | median IoU |\n|---|---|---|\n{rows}",
        )


@task(name="publish weights")
def publish(run_dir: Path, target: Path) -> None:
    """Put the finished weights, their digest and the curves into the model's folder."""
    scratch = target.with_suffix(".tmp")
    shutil.copyfile(run_dir / "final.safetensors", scratch)
    scratch.replace(target)
    state_digest(target)
    shutil.copyfile(run_dir / "curves.png", target.with_name("curves.png"))


@flow(name="train", flow_run_name="train-{model.parent.name}")
def train_tyre_model(
    *,
    work_dir: Path = Path("work/training"),
    settings: TrainConfig = TrainConfig(),  # noqa: B008  it is frozen
    shards: int = 250,
    processes: int = 1,
    model: Path = MODEL_DIR / "config.yaml",
    start_from: Path | None = None,
    publish_to: Path | None = None,
) -> None:
    """Generate data and train.

    Args:
        work_dir: Where shards and checkpoints are kept between runs.
        settings: Of the training: minutes, rate, device and more.
        shards: Training shards of 32 tyres.
        processes: That generate at the same time, beside the trainer.
        model: Configuration of the network.
        start_from: Weights to go on from when the run has no checkpoint yet.
        publish_to: Where the best weights go, such as the model's folder; None to leave them.
    """
    data_dir = work_dir / "data"
    generate(data_dir, "validation", 3, processes)
    generate(data_dir, "train", min(4, shards), processes)
    more = generate.submit(data_dir, "train", shards, processes)
    train(data_dir, work_dir / "run", settings, model, start_from)
    wait([more])
    if publish_to is not None:
        publish(work_dir / "run", publish_to)


if __name__ == "__main__":
    train_tyre_model()
