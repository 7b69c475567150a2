"""The loop of a training: budget, learning rate, averaged weights, checkpoint, log, final score.

A step depends on nothing but its number, the seed, the data and the weights: its batch is drawn by
a generator of its own. A training that was killed therefore goes on from its checkpoint as if it
had never stopped, and one with a budget of steps ends in the same weights to the bit, given the
same data and the same number of threads of the same CPU. A budget of minutes counts the time of the
steps, resumptions included, and ends in a finished model on any machine. The learning rate follows
the budget in use.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from configs.training import LoopConfig
from tasks.core.errors import InputError, ModelError
from tasks.training.log import LOG, TrainingLog, append_row, repair_log
from tsr.errors import WeightsError
from tsr.precision import fast_bfloat16

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
"""Name of the checkpoint in a run's folder."""

_FORMAT = 2
"""Number of the checkpoint's format; the first had none, and in one training another name."""

_OLD_CHECKPOINT = "last.pt"


class Objective(Protocol):
    """What a network brings to the loop: its weights, data, losses and validation.

    Args:
        network: The network that is trained.
        average: A copy of it, whose weights become the running average of the network's.
        optimisers: Between them they move all weights; the loop sets their learning rates.
    """

    network: nn.Module
    average: nn.Module
    optimisers: Sequence[torch.optim.Optimizer]

    def find_new_data(self) -> dict[str, float]:
        """Take up data made since the last call; returns their number for the log."""

    def backward(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw a batch with ``rng`` and add its gradients; returns its losses by name."""

    def validate(self) -> dict[str, float]:
        """Scores of the average, ``iou_mean`` among them; none without data to validate on."""

    def export(self, *, best: bool) -> None:
        """Write the average's weights, ``best`` if they score as high as any before."""

    def finish(self) -> dict[str, float]:
        """Write the finished weights; returns their scores."""


class Trainer:
    """One training in a folder: ``checkpoint.pt`` to go on from, ``log.jsonl`` and the weights.

    Args:
        config: Budget, learning rate and the other settings that all trainings share.
        objective: The network with its data.
        run_dir: Folder of checkpoint and log; a training that it holds goes on.

    Raises:
        InputError: The folder's checkpoint is of another network or of an older version.
    """

    def __init__(self, config: LoopConfig, objective: Objective, run_dir: Path) -> None:
        self.config = config
        self.objective = objective
        self.run_dir = run_dir
        self.step = 0
        self.seconds = 0.0
        self.best = -1.0
        self._losses: dict[str, list[Tensor]] = defaultdict(list)
        run_dir.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0 to 1 and beyond."""
        if self.config.steps is not None:
            return self.step / self.config.steps
        return self.seconds / (60 * self.config.minutes)

    @property
    def rate(self) -> float:
        """The learning rate: warm-up, constant, then linear to its last value at the end."""
        config = self.config
        falling = (1.0 - self.progress) / config.decay_share + config.final_rate
        factor = min((self.step + 1) / config.warmup_steps, falling, 1.0)
        return max(factor, 0.0) * config.learning_rate

    def run(self) -> None:
        """Train until the budget is spent; a finished training is left as it is."""
        validated = saved = self.seconds
        while self.progress < 1.0:
            started = time.monotonic()
            self.take_step()
            row = self._mean_losses() if self.step % self.config.log_steps == 0 else {}
            self.seconds += time.monotonic() - started
            if row:
                self._log(**row)
            last = self.progress >= 1.0
            if last or self._validation_is_due(validated):
                self.validate()
                validated = self.seconds
            if last or self.seconds - saved >= self.config.checkpoint_s:
                self.save()
                saved = self.seconds
        path = self.run_dir / LOG
        final = TrainingLog.read(path).final if path.exists() else None
        if final is None or final["step"] != self.step:
            self._log(final=True, **self.objective.finish())

    def take_step(self) -> None:
        """One step of the optimisers and of the average."""
        rate = self.rate
        for optimiser in self.objective.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
        losses = self.objective.backward(np.random.default_rng([self.config.seed, self.step]))
        for name, value in losses.items():
            self._losses[name].append(value.detach())
        torch.nn.utils.clip_grad_norm_(self.objective.network.parameters(), 1.0)
        for optimiser in self.objective.optimisers:
            optimiser.step()
        decay = min(self.config.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            slow = list[Tensor](self.objective.average.parameters())
            torch._foreach_lerp_(slow, list(self.objective.network.parameters()), 1 - decay)
            averaged = self.objective.average.buffers()
            for slow_buffer, buffer in zip(averaged, self.objective.network.buffers(), strict=True):
                slow_buffer.copy_(buffer)
        self.step += 1

    def _mean_losses(self) -> dict[str, float]:
        """Losses since the last row, which waits for the device, and the number of the data."""
        means = {name: float(torch.stack(seen).mean()) for name, seen in self._losses.items()}
        self._losses.clear()
        return {**means, **self.objective.find_new_data()}

    def _validation_is_due(self, validated: float) -> bool:
        if self.config.steps is not None:
            return self.step % self.config.validate_steps == 0
        return self.seconds - validated > self.config.validate_s

    def validate(self) -> None:
        """Score the average and write its weights."""
        scores = self.objective.validate()
        if not scores:
            return
        self._log(**scores)
        best = scores["iou_mean"] >= self.best
        self.best = max(self.best, scores["iou_mean"])
        self.objective.export(best=best)

    def _log(self, **figures: float) -> None:
        row = {"step": self.step, "seconds": round(self.seconds, 1), **figures}
        append_row(self.run_dir / LOG, row)
        logger.info("%s", json.dumps(row))

    def save(self) -> None:
        """Write the checkpoint completely or not at all."""
        state = {
            "format": _FORMAT,
            "network": self.objective.network.state_dict(),
            "average": self.objective.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.objective.optimisers],
            "losses": {name: torch.stack(seen) for name, seen in self._losses.items()},
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
        }
        scratch = self.run_dir / f".{CHECKPOINT}.tmp"
        torch.save(state, scratch)
        scratch.replace(self.run_dir / CHECKPOINT)

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        path = self.run_dir / CHECKPOINT
        if path.exists():
            state = torch.load(path, weights_only=True, map_location="cpu")
            if state.get("format") != _FORMAT:
                raise _old_checkpoint(path)
            self._load(state, path)
            logger.info("resumed at step %d after %.0f s", self.step, self.seconds)
        elif (self.run_dir / _OLD_CHECKPOINT).exists():
            raise _old_checkpoint(self.run_dir / _OLD_CHECKPOINT)
        repair_log(self.run_dir / LOG, self.step)

    def _load(self, state: dict[str, Any], path: Path) -> None:
        try:
            self.objective.network.load_state_dict(state["network"])
            self.objective.average.load_state_dict(state["average"])
            for optimiser, saved in zip(
                self.objective.optimisers, state["optimisers"], strict=True
            ):
                optimiser.load_state_dict(saved)
        except (RuntimeError, ValueError) as exc:  # shapes or names differ
            raise InputError(
                "training-other-network",
                stage="train",
                what=f"{path} is the checkpoint of another network than the configuration's",
                advice="Train in a new folder, or delete this run's to start it again",
            ) from exc
        device = next(self.objective.network.parameters()).device
        for name, seen in state["losses"].items():
            self._losses[name] = list(seen.to(device).unbind())
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]


def _old_checkpoint(path: Path) -> InputError:
    return InputError(
        "training-old-checkpoint",
        stage="train",
        what=f"an older version wrote {path}, which this one cannot go on from",
        advice="Train in a new folder (--start-from takes weights to begin with, where the network"
        " has this option), or finish with the version that began",
    )


def product_format(config: LoopConfig, device: torch.device) -> torch.dtype:
    """The number format of the products that ``precision`` means on a device."""
    faster = config.precision == "auto" and fast_bfloat16(device)
    return torch.bfloat16 if faster or config.precision == "bfloat16" else torch.float32


@contextmanager
def starting_from(weights: Path) -> Iterator[None]:
    """While the weights that a training begins with are read: what is wrong with their file.

    Raises:
        ModelError: ``weights-unreadable``: there is no such file, it is damaged, or it holds the
            weights of another network.
    """
    try:
        yield
    except (WeightsError, RuntimeError) as exc:  # RuntimeError: names or shapes differ
        raise ModelError(
            "weights-unreadable",
            stage="train",
            what=f"{weights} holds no weights to start from ({str(exc).splitlines()[0]})",
            advice="Name a file of weights of this network",
        ) from exc


def export_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as fp16 safetensors, completely or not at all."""
    scratch = path.with_suffix(".tmp")
    save_file({k: v.half().cpu().contiguous() for k, v in network.state_dict().items()}, scratch)
    scratch.replace(path)
