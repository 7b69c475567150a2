"""Train the bundled tyre model on generated views: direct supervision of occupancy and colour.

The trainer reads shards while a generator still writes them, keeps an average of the weights, and
checkpoints often: killed at any time it goes on from its last checkpoint. The learning rate follows
the training seconds spent, so that a budget of time, not of steps, ends in a finished model.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from tasks.core.errors import InputError
from tasks.training.config import TrainConfig
from tasks.training.log import TrainingLog
from tasks.training.muon import Muon
from tasks.training.reconstruction.shards import ShardReader
from tasks.training.reconstruction.validation import calibrate, validate
from tsr.config import TSRConfig
from tsr.network.field import surface_raw_density
from tsr.system import TSR

logger = logging.getLogger(__name__)

_COMPILED = ("_encode", "decode_points")
"""What takes the time of a step."""


def loss_of(model: TSR, batch: dict[str, Tensor], config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Occupancy and colour loss of a batch."""
    half = config.dtype == torch.bfloat16
    with torch.autocast(config.device, dtype=torch.bfloat16, enabled=half):
        codes = model.encode(batch["image"])
        both = torch.cat([batch["points"], batch["surface"]], dim=1)
        raw, raw_colour = model.decode_points(codes, both)
    count = batch["points"].shape[1]
    logit = raw[:, :count].float() - surface_raw_density(model.renderer.cfg)
    valid = (batch["points"].abs().amax(-1) < model.renderer.cfg.radius).float()
    occupancy = (
        F.binary_cross_entropy_with_logits(
            logit, batch["inside"].float(), weight=valid, reduction="sum"
        )
        / valid.sum()
    )
    colour = F.mse_loss(raw_colour[:, count:].float().sigmoid(), batch["colour"])
    return occupancy, colour


def plane_waves(side: int, channels: int) -> Tensor:
    """Sines and cosines of row and column, ``(side * side, channels)``, at dyadic frequencies."""
    quarter = channels // 4
    at = (torch.arange(side) + 0.5) / side
    frequency = math.pi * 2.0 ** torch.linspace(0, math.log2(side), quarter)
    wave = torch.cat([(at[:, None] * frequency).sin(), (at[:, None] * frequency).cos()], dim=1)
    rows = wave[:, None].expand(side, side, -1)
    columns = wave[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side * side, -1)


@torch.no_grad()
def initialise(model: TSR) -> None:
    """Positions that the network can tell apart from the start, density near the surface's.

    The published model starts from a pretrained image encoder; from nothing, zero position
    embeddings keep the encoder blind to where things are for thousands of steps.
    """
    embeddings = model.image_tokenizer.model.embeddings
    positions = embeddings.position_embeddings
    side = math.isqrt(positions.shape[1] - 1)
    positions[0, 1:] = plane_waves(side, positions.shape[2])
    embeddings.patch_embeddings.projection.weight.mul_(0.5)
    planes = model.tokenizer.embeddings  # (3, C, P, P)
    waves = plane_waves(planes.shape[-1], planes.shape[1]).T.reshape(planes.shape[1:])
    planes.mul_(0.5).add_(waves * planes.std() + planes.std() * torch.randn(3, len(waves), 1, 1))
    level = surface_raw_density(model.renderer.cfg)
    model.decoder.layers[-1].get_parameter("bias")[:1] = level - 1.0


class Trainer:
    """One training: ``last.pt`` to go on from, ``best.safetensors`` and ``log.jsonl``."""

    def __init__(
        self,
        config: TrainConfig,
        model_config: Path,
        data: Path,
        run_dir: Path,
        start_from: Path | None = None,
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        self._final = run_dir / "final.safetensors"
        run_dir.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.model = TSR(TSRConfig.load(model_config))
        initialise(self.model)
        if start_from is not None:
            self.model.load_state_dict(load_file(start_from))
        self.model.to(config.device)
        self.average = copy.deepcopy(self.model)
        if config.compiled:
            parts = {name: torch.compile(getattr(self.model, name)) for name in _COMPILED}
            vars(self.model).update(parts)
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, p in self.model.named_parameters():
            hidden = p.ndim == 2 and ("backbone" in name or ".layer." in name)
            (matrices if hidden else others).append(p)
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(matrices, config.learning_rate, config.weight_decay, config.dtype),
            torch.optim.AdamW(others, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.train_data = ShardReader(data, "train", config.device, config.most_shards)
        self.validation_data = ShardReader(data, "validation", config.device)
        self.step = 0
        self.seconds = 0.0
        self.best = -1.0
        self.resume()

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one.

        Raises:
            InputError: The checkpoint is of another network.
        """
        path = self.run_dir / "last.pt"
        if not path.exists():
            self._forget_later_lines()
            return
        state = torch.load(path, weights_only=True)
        try:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
        except (RuntimeError, ValueError) as exc:  # shapes or names differ
            raise InputError(
                "training-other-network",
                stage="train",
                what=f"{path} is the checkpoint of another network than the configuration's",
                advice="Train in a new folder, or delete this run's to start it again",
            ) from exc
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        self._forget_later_lines()
        logger.info("resumed at step %d after %.0f s", self.step, self.seconds)

    def _forget_later_lines(self) -> None:
        """Drop what the log tells of steps that a kill undid, and the line it may have torn."""
        path = self.run_dir / "log.jsonl"
        if path.exists():
            log = TrainingLog.read(path)
            kept = [json.dumps(r) + "\n" for r in log.rows if r["step"] <= self.step > 0]
            scratch = path.with_suffix(".tmp")
            scratch.write_text("".join(kept))
            scratch.replace(path)

    def save(self) -> None:
        """Write the checkpoint completely or not at all."""
        scratch = self.run_dir / ".last.tmp"
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [o.state_dict() for o in self.optimisers],
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
            },
            scratch,
        )
        scratch.replace(self.run_dir / "last.pt")

    def rate(self) -> float:
        """The learning rate's factor: warm-up, constant, then linear to zero at the end."""
        left = 1.0 - self.seconds / (60 * self.config.minutes)
        return min((self.step + 1) / self.config.warmup_steps, left / self.config.decay_share, 1.0)

    def take_step(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """One optimiser step; occupancy and colour loss, not waited for."""
        rate = max(self.rate(), 0.0) * self.config.learning_rate
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
        occupancy, colour = loss_of(self.model, batch, self.config)
        (occupancy + self.config.colour_weight * colour).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        decay = min(self.config.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            slow: list[Tensor] = list(self.average.parameters())
            torch._foreach_lerp_(slow, list[Tensor](self.model.parameters()), 1 - decay)
        self.step += 1
        return occupancy.detach(), colour.detach()

    def log(self, **figures: float) -> None:
        """Append a line to the log."""
        record = {"step": self.step, "seconds": round(self.seconds, 1), **figures}
        with (self.run_dir / "log.jsonl").open("a") as out:
            out.write(json.dumps(record) + "\n")
        logger.info("%s", json.dumps(record))

    def check(self) -> None:
        """Validate the averaged weights; keep them if they are the best."""
        self.validation_data.rescan()
        if not self.validation_data.shards:
            return
        scores = validate(self.average, self.validation_data)
        self.log(**scores)
        if scores["iou_mean"] >= self.best:
            self.best = scores["iou_mean"]
            export_weights(self.average, self.run_dir / "best.safetensors")

    def run(self) -> None:
        """Train until the budget of time is spent; a finished training is left as it is."""
        if self.seconds >= 60 * self.config.minutes and self._final.exists():
            return
        rng = np.random.default_rng([self.config.seed, self.step])
        saved = checked = self.seconds
        losses: list[Tensor] = []
        while self.seconds < 60 * self.config.minutes:
            started = time.monotonic()
            occupancy, colour = self.take_step(self.train_data.draw(self.config, rng))
            losses.append(occupancy)
            if self.step % 50 == 0:
                loss = float(torch.stack(losses).mean())  # waits for the device
                losses.clear()
                self.train_data.rescan()
            self.seconds += time.monotonic() - started
            if self.step % 50 == 0:
                shards = len(self.train_data.shards)
                self.log(loss=loss, colour_loss=float(colour), shards=shards)
            if self.seconds - checked > self.config.validate_s:
                self.check()
                checked = self.seconds
            if self.seconds - saved > self.config.checkpoint_s:
                self.save()
                saved = self.seconds
        self.check()
        self.save()
        self.finish()

    def finish(self) -> None:
        """Calibrate the best weights on the validation views, into ``final.safetensors``."""
        path = self.run_dir / "best.safetensors"
        if not path.exists():
            return
        self.average.load_state_dict(load_file(path))
        offset = calibrate(self.average, self.validation_data)
        self.log(calibration=offset, **validate(self.average, self.validation_data))
        export_weights(self.average, self._final)


def export_weights(model: TSR, path: Path) -> None:
    """Write the weights as fp16 safetensors."""
    scratch = path.with_suffix(".tmp")
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, scratch)
    scratch.replace(path)
