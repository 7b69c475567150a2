"""What all training flows do: train in a process of its own, show the curves, publish weights."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prefect import State, get_run_logger, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact

from configs.options import options_of
from configs.training import LoopConfig
from tasks.core.errors import InputError
from tasks.core.processes import start_child
from tasks.network.weights import state_digest
from tasks.training.log import LOG, TrainingLog

CURVES = "curves.png"
"""Name of the curves in a run's folder."""

_CURVES_EVERY_S = 30.0


def _not_refused(task: object, run: object, state: State[Any]) -> bool:
    """Whether another attempt can succeed: not where data or checkpoint were refused."""
    return not isinstance(state.result(raise_on_failure=False), InputError)


@task(
    name="train network",
    task_run_name="train {network} network",
    retries=3,
    retry_condition_fn=_not_refused,
)
def train(
    network: str, data_dir: Path, run_dir: Path, settings: LoopConfig, arguments: Sequence[str]
) -> None:
    """Train from the last checkpoint until the budget is spent; show the curves meanwhile.

    Args:
        network: Package in :mod:`tasks.training` whose command trains: reconstruction,
            fusion or segmentation.
        data_dir: Folder of the training data.
        run_dir: Folder of checkpoint, log and weights.
        settings: Settings of the training.
        arguments: Arguments of the command beside folder of the run and settings.

    Raises:
        InputError: The trainer refused data, checkpoint or settings.
        RuntimeError: It ended with another error.
    """
    options = [*arguments, "--run", str(run_dir), *options_of(settings)]
    with start_child(f"tasks.training.{network}", *options) as trainer:
        try:
            while trainer.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    trainer.wait(_CURVES_EVERY_S)
                _show_curves(network, run_dir)
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
    _show_curves(network, run_dir)
    get_run_logger().info("training finished: %s", TrainingLog.read(run_dir / LOG).final)


def _show_curves(network: str, run_dir: Path) -> None:
    path = run_dir / LOG
    if not path.exists():
        return
    log = TrainingLog.read(path)
    if find_spec("matplotlib"):  # of development: what is shipped shows the scores alone
        from tasks.training.report import plot_curves

        plot_curves(log, run_dir / CURVES)
        image = base64.b64encode((run_dir / CURVES).read_bytes()).decode()
        create_image_artifact(
            key=f"{network}-training-curves", image_url=f"data:image/png;base64,{image}"
        )
    if log.scores:
        rows = "\n".join(
            f"| {s['step']:.0f} | {s['seconds'] / 60:.0f} | {s['iou_median']:.3f} |"
            for s in log.scores[-10:]
        )
        create_markdown_artifact(
            key=f"{network}-training-scores",
            markdown=f"| step | minutes | median IoU |\n|---|---|---|\n{rows}",
        )


@task(name="publish weights")
def publish(weights: Path, target: Path) -> None:
    """Put finished weights and their digest into a model's folder.

    Args:
        weights: The weights that a training made.
        target: The file of the model's folder that they become.
    """
    scratch = target.with_suffix(".tmp")
    shutil.copyfile(weights, scratch)
    scratch.replace(target)
    state_digest(target)
