"""Train the bundled tyre model on generated views: direct supervision of occupancy and colour.

The trainer reads shards while a generator still writes them, keeps an average of the weights, and
checkpoints often: killed at any time it goes on from its last checkpoint. The learning rate follows
the training seconds spent, so that a budget of time, not of steps, ends in a finished model.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from tasks.synthetic.augment import augment_view, clean_view
from tasks.synthetic.dataset import ARRAYS
from tsr.config import TSRConfig
from tsr.system import TSR

logger = logging.getLogger(__name__)

LOG_SURFACE = math.log(25.0) + 1.0
"""Raw density at the surface: density = exp(raw - 1) = 25."""


class TrainConfig(BaseModel):
    """Settings of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float = Field(100.0, gt=0, description="training time, minutes, resumptions included")
    decay_share: float = Field(
        0.4, gt=0, le=1, description="last share of the time with falling rate"
    )
    batch: int = Field(16, ge=1, description="views in a batch")
    points: int = Field(2048, ge=64, description="points of known occupancy for each view")
    colour_points: int = Field(192, ge=0, description="coloured surface points for each view")
    colour_weight: float = Field(0.5, ge=0, description="weight of the colour's squared error")
    learning_rate: float = Field(1.2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(0.02, ge=0)
    warmup_steps: int = Field(100, ge=1)
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    checkpoint_s: float = Field(120.0, gt=0, description="seconds between checkpoints")
    validate_s: float = Field(300.0, gt=0, description="seconds between validations")
    seed: int = 0
    bf16: bool = True
    device: str = "cpu"


class ShardReader:
    """Draws augmented batches from the shards that exist; looks for new ones now and then."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = folder
        self.split = split
        self.shards: list[dict[str, NDArray[Any]]] = []
        self._known: set[str] = set()
        self.rescan()

    def rescan(self) -> None:
        """Take up shards published since the last look."""
        for path in sorted(self.folder.glob(f"{self.split}-*")):
            if path.name not in self._known:
                self._known.add(path.name)
                self.shards.append({n: np.load(path / f"{n}.npy", mmap_mode="r") for n in ARRAYS})

    def draw(self, config: TrainConfig, rng: np.random.Generator) -> dict[str, Tensor]:
        """One augmented training batch."""
        images, points, inside, surface, colour = [], [], [], [], []
        for _ in range(config.batch):
            shard = self.shards[rng.integers(len(self.shards))]
            tyre = rng.integers(shard["rgba"].shape[0])
            view = rng.integers(shard["rgba"].shape[1])
            image = augment_view(shard["rgba"][tyre, view], rng)
            to_crop = shard["to_crop"][tyre, view]
            pick = rng.integers(shard["points"].shape[1], size=config.points)
            p = _transform(to_crop, shard["points"][tyre][pick])
            pick_s = rng.integers(shard["surface"].shape[1], size=config.colour_points)
            s = _transform(to_crop, shard["surface"][tyre][pick_s])
            if rng.random() < 0.5:  # mirror image, mirror world
                image = image[:, ::-1]
                p[:, 1] *= -1
                s[:, 1] *= -1
            images.append(np.ascontiguousarray(image.transpose(2, 0, 1)))
            points.append(p)
            inside.append(shard["inside"][tyre][pick])
            surface.append(s)
            colour.append(shard["colour"][tyre][pick_s].astype(np.float32) / 255)
        return {
            "image": torch.from_numpy(np.stack(images)),
            "points": torch.from_numpy(np.stack(points)),
            "inside": torch.from_numpy(np.stack(inside)),
            "surface": torch.from_numpy(np.stack(surface)),
            "colour": torch.from_numpy(np.stack(colour)),
        }


def _transform(to_crop: NDArray[np.float32], points: NDArray[np.float16]) -> NDArray[np.float32]:
    return np.asarray(
        points.astype(np.float32) @ to_crop[:, :3].T + to_crop[:, 3], dtype=np.float32
    )


def prefetch(
    reader: ShardReader, config: TrainConfig, seed: list[int]
) -> Iterator[dict[str, Tensor]]:
    """Batches drawn ahead by a thread."""
    ready: queue.Queue[dict[str, Tensor]] = queue.Queue(maxsize=6)

    def work() -> None:
        rng = np.random.default_rng(seed)
        drawn = 0
        while True:
            ready.put(reader.draw(config, rng))
            drawn += 1
            if drawn % 50 == 0:
                reader.rescan()

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield ready.get()


def loss_of(model: TSR, batch: dict[str, Tensor], config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Occupancy and colour loss of a batch."""
    with torch.autocast(config.device, dtype=torch.bfloat16, enabled=config.bf16):
        codes = model.encode(batch["image"])
        both = torch.cat([batch["points"], batch["surface"]], dim=1)
        raw, raw_colour = model.decode_points(codes, both)
    count = batch["points"].shape[1]
    logit = raw[:, :count].float() - LOG_SURFACE
    valid = (batch["points"].abs().amax(-1) < model.renderer.cfg.radius).float()
    occupancy = (
        F.binary_cross_entropy_with_logits(
            logit, batch["inside"].float(), weight=valid, reduction="sum"
        )
        / valid.sum()
    )
    colour = F.mse_loss(raw_colour[:, count:].float().sigmoid(), batch["colour"])
    return occupancy, colour


@torch.inference_mode()
def densities(
    model: TSR, reader: ShardReader, views: int = 2
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Raw densities and truths of each clean view, at points uniform in a cube round the tyre."""
    for shard in reader.shards:
        for view in range(views):
            images = np.stack([clean_view(v) for v in shard["rgba"][:, view]])
            codes = model.encode(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
            for k in range(len(images)):
                count = shard["points"].shape[1] // 3
                p = _transform(shard["to_crop"][k, view], shard["points"][k][:count])
                raw, _ = model.decode_points(codes[k : k + 1], torch.from_numpy(p)[None])
                beyond = np.abs(p).max(axis=1) >= model.renderer.cfg.radius
                yield np.where(beyond, -np.inf, raw[0].numpy()), shard["inside"][k][:count]


def scores_at(
    found: list[tuple[NDArray[np.float32], NDArray[np.bool_]]], level: float
) -> dict[str, float]:
    """Volume IoU over the views with the surface at a level of raw density."""
    ious = [
        ((raw > level) & inside).sum() / max(((raw > level) | inside).sum(), 1)
        for raw, inside in found
    ]
    return {
        "iou_median": float(np.median(ious)),
        "iou_mean": float(np.mean(ious)),
        "iou_p10": float(np.percentile(ious, 10)),
    }


def validate(model: TSR, reader: ShardReader) -> dict[str, float]:
    """Volume IoU on clean validation views."""
    return scores_at(list(densities(model, reader)), LOG_SURFACE)


def calibrate(model: TSR, reader: ShardReader) -> float:
    """Move the density's bias so that the surface stands where the mean IoU is best.

    Returns:
        The bias added. A thin wall that is likely but not certain falls short of even odds, so that
        the best level lies a little below them.
    """
    found = list(densities(model, reader))
    offsets = np.arange(-0.2, 1.3, 0.1)
    means = [scores_at(found, LOG_SURFACE - offset)["iou_mean"] for offset in offsets]
    best = float(offsets[int(np.argmax(means))])
    with torch.no_grad():
        model.decoder.layers[-1].get_parameter("bias")[:1] += best
    return best


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
    model.decoder.layers[-1].get_parameter("bias")[:1] = LOG_SURFACE - 1.0


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
        run_dir.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.model = TSR(TSRConfig.load(model_config)).to(config.device)
        initialise(self.model)
        if start_from is not None:
            self.model.load_state_dict(load_file(start_from))
        self.average = copy.deepcopy(self.model)
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, p in self.model.named_parameters():
            hidden = p.ndim == 2 and ("backbone" in name or ".layer." in name)
            (matrices if hidden else others).append(p)
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices,
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.train_data = ShardReader(data, "train")
        self.validation_data = ShardReader(data, "validation")
        self.step = 0
        self.seconds = 0.0
        self.best = -1.0
        self.resume()

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        path = self.run_dir / "last.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        logger.info("resumed at step %d after %.0f s", self.step, self.seconds)

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

    def take_step(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One optimiser step."""
        rate = max(self.rate(), 0.0) * self.config.learning_rate
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
        batch = {k: v.to(self.config.device) for k, v in batch.items()}
        occupancy, colour = loss_of(self.model, batch, self.config)
        (occupancy + self.config.colour_weight * colour).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        decay = min(self.config.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.model.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        self.step += 1
        return {"loss": float(occupancy.detach()), "colour_loss": float(colour.detach())}

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
        """Train until the budget of time is spent."""
        batches = prefetch(self.train_data, self.config, [self.config.seed, self.step])
        saved = checked = self.seconds
        losses: list[float] = []
        while self.seconds < 60 * self.config.minutes:
            started = time.monotonic()
            figures = self.take_step(next(batches))
            losses.append(figures["loss"])
            self.seconds += time.monotonic() - started
            if self.step % 50 == 0:
                self.log(
                    **{**figures, "loss": float(np.mean(losses))},
                    shards=len(self.train_data.shards),
                )
                losses.clear()
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
        export_weights(self.average, self.run_dir / "final.safetensors")


def export_weights(model: TSR, path: Path) -> None:
    """Write the weights as fp16 safetensors."""
    scratch = path.with_suffix(".tmp")
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, scratch)
    scratch.replace(path)


def main() -> None:
    """Train: ``python -m tasks.train_model --data DIR --run DIR``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, default=Path("configs/models/tyre-mini/config.yaml"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start-from", type=Path, help="weights to go on from in a new run")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = TrainConfig(
        minutes=args.minutes,
        batch=args.batch,
        learning_rate=args.learning_rate,
        device=args.device,
    )
    Trainer(config, args.model, args.data, args.run, args.start_from).run()


if __name__ == "__main__":
    main()
