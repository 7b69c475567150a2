"""Trains the fusing network on the subjects of :mod:`tasks.training.fusion_subjects`.

``python -m tasks.training.fuse DATA --run RUN --minutes M`` goes on from RUN's checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tasks.fusion.channels import CHANNELS, NETWORK, OUTLINES, PHOTOS, mirrored
from tasks.fusion.fuser import Fuser, statistics_of
from tasks.models import FUSER
from tasks.training.muon import Muon
from tsr.precision import native_bfloat16

_log = logging.getLogger("tyre3d")
_MARGIN = 6
"""Angles at either end of a crop that do not count: the circle does not go on there."""


@dataclass(frozen=True)
class FuseConfig:
    """How the fusing network is trained.

    Args:
        minutes: Of training, all runs taken together.
        angles: Of a crop.
        batch: Crops for a step.
        learning_rate: At its highest.
        average: Decay of the averaged weights.
        held_out: Subjects, the first ones, that are validated on.
        edge: Weight of nodes near the surface, over the others.
        save_s: Seconds between checkpoints.
        seed: Of order and augmentation.
    """

    minutes: float = 45.0
    angles: int = 64
    batch: int = 2
    learning_rate: float = 3e-3
    average: float = 0.995
    held_out: int = 8
    edge: float = 4.0
    save_s: float = 120.0
    seed: int = 0


def corrupted(
    parts: Sequence[NDArray[np.float32]], rng: np.random.Generator
) -> Sequence[NDArray[np.float32]]:
    """Evidence that is worse than it was: a network that errs, faces that nobody filmed.

    Args:
        parts: Changed in place, all alike: ``(K, C, R, ..., Z)``; what is done to a channel does
            the same to its statistics.
        rng: Of all choices.
    """
    count, rows = len(NETWORK), parts[0].shape[2]
    if rng.random() < 0.3:  # the network misplaces the rim along the axle
        radii = np.arange(rows) / (rows / 1.08)
        bend = rng.normal(0.0, 2.5) + rng.normal(0.0, 2.5) * np.cos(3.0 * radii + rng.uniform(0, 6))
        bend *= np.clip((0.75 - radii) / 0.15, 0.0, 1.0)
        for row, shift in enumerate(np.rint(bend).astype(int)):
            if shift:
                for part in parts:
                    part[:, :count, row] = np.roll(part[:, :count, row], shift, axis=-1)
    if rng.random() < 0.15:  # the network is unsure
        share = np.float32(rng.uniform(0.2, 0.8))
        for part in parts:
            part[:, :count] *= share
    first = count + len(OUTLINES)
    for side in (0, 1):
        if rng.random() < 0.07:
            at = first + side * len(PHOTOS)
            for part in parts:
                part[:, at : at + len(PHOTOS)] = 0.0
    return parts


@dataclass
class Subject:
    """One subject: arrays on disk, and statistics ``(3, C, R, Z)`` as it is and mirrored."""

    channels: NDArray[np.float16]
    occupancy: NDArray[np.uint8]
    statistics: tuple[NDArray[np.float32], NDArray[np.float32]]

    @classmethod
    def read(cls, folder: Path, seed: str) -> Subject:
        """Open a subject."""
        channels = np.load(folder / f"{seed}.channels.npy", mmap_mode="r")
        whole = np.asarray(channels, np.float32)
        both = [
            statistics_of(torch.from_numpy(np.asarray(c, np.float32))).numpy()
            for c in (whole, mirrored(whole))
        ]
        first, second = (s.reshape(3, -1, *s.shape[1:]) for s in both)
        occupancy = np.load(folder / f"{seed}.occupancy.npy", mmap_mode="r")
        return cls(channels, occupancy, (first, second))

    def crop(self, angles: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A random crop ``(C, R, A, Z)``, statistics ``(3 * C, R, Z)``, occupancy ``(R, A, Z)``."""
        start = int(rng.integers(self.channels.shape[2]))
        at = (start + np.arange(angles)) % self.channels.shape[2]
        if rng.random() < 0.5:
            at = at[::-1]
        part = self.channels[:, :, at].astype(np.float32)
        solid = self.occupancy[:, at].astype(np.float32) / 255.0
        side = int(rng.random() < 0.5)
        if side:
            part, solid = np.asarray(mirrored(part)), solid[..., ::-1]
        statistics = self.statistics[side].copy()
        corrupted((part[None], statistics), rng)
        return (
            torch.from_numpy(np.ascontiguousarray(part)),
            torch.from_numpy(statistics.reshape(-1, *statistics.shape[2:])),
            torch.from_numpy(np.ascontiguousarray(solid)),
        )


def loss_of(logits: Tensor, section: Tensor, solid: Tensor, hull: Tensor, edge: float) -> Tensor:
    """Cross-entropy, weighted by volume, and more near the surface; without what is carved.

    Args:
        logits: ``(R, A, Z)``.
        section: ``(R, Z)`` of the section branch.
        solid: ``(R, A, Z)`` share of matter.
        hull: ``(R, A, Z)`` the channel of that name.
        edge: Weight near the surface.
    """
    radius = torch.linspace(0.02, 1.0, len(logits))[:, None, None]
    pooled = functional.max_pool3d(solid[None], 3, 1, 1)[0]
    pooled = pooled + functional.max_pool3d(1.0 - solid[None], 3, 1, 1)[0] - 1.0
    weight = radius * (1.0 + edge * pooled) * (hull > -0.4)
    every = functional.binary_cross_entropy_with_logits(logits, solid, reduction="none")
    mean = solid.mean(dim=1)
    whole = functional.binary_cross_entropy_with_logits(section, mean, reduction="none")
    flat = weight.mean(dim=1)
    return (weight * every).sum() / weight.sum() + 0.2 * (flat * whole).sum() / flat.sum()


@torch.inference_mode()
def validate(fuser: Fuser, folder: Path, seeds: Sequence[str]) -> dict[str, float]:
    """Median and mean IoU by volume over subjects, and that of the frames' fields alone."""
    found: list[float] = []
    before: list[float] = []
    hull_at, mean_at = CHANNELS.index("hull"), CHANNELS.index("blended")
    for seed in seeds:
        channels = torch.from_numpy(np.load(folder / f"{seed}.channels.npy").astype(np.float32))
        solid = torch.from_numpy(np.load(folder / f"{seed}.occupancy.npy")) > 127
        logits, _ = fuser(channels, statistics_of(channels))
        radius = torch.arange(solid.shape[0])[:, None, None].float()
        for guess, into in ((logits > 0, found), (channels[mean_at] > 0, before)):
            guess = guess & (channels[hull_at] > -0.1)
            into.append(float((radius * (guess & solid)).sum() / (radius * (guess | solid)).sum()))
    return {
        "iou": float(np.median(found)),
        "iou_mean": float(np.mean(found)),
        "iou_fields": float(np.median(before)),
    }


def train(folder: Path, run: Path, config: FuseConfig, threads: int) -> None:
    """Train until the minutes are over; goes on where it was stopped.

    Args:
        folder: Of the subjects; those that come while it trains are taken too.
        run: Of checkpoint, log and weights.
        config: How.
        threads: Of the CPU.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(config.seed)
    run.mkdir(parents=True, exist_ok=True)
    fuser, averaged = Fuser(), Fuser()
    averaged.load_state_dict(fuser.state_dict())
    layers = {n: p for n, p in fuser.named_parameters() if p.ndim == 4 and "head" not in n}
    matrices = [p for n, p in layers.items() if p.shape[1] > 1 and ".angle" not in n]
    others = [p for p in fuser.parameters() if not any(p is m for m in matrices)]
    optimisers = [
        Muon(matrices, config.learning_rate, 0.01, torch.float32),
        torch.optim.AdamW(others, lr=config.learning_rate, weight_decay=0.0),
    ]
    step, spent = 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        fuser.load_state_dict(state["fuser"])
        averaged.load_state_dict(state["averaged"])
        for optimiser, known in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(known)
        step, spent = state["step"], state["spent"]
    half = native_bfloat16(torch.device("cpu"))  # emulated it is slower by far than float32
    rng = np.random.default_rng([config.seed, step])
    began, saved = time.perf_counter() - spent, time.perf_counter()
    losses: list[float] = []
    subjects: dict[str, Subject] = {}
    while (spent := time.perf_counter() - began) < 60.0 * config.minutes:
        seeds = sorted(p.name.split(".")[0] for p in folder.glob("*.occupancy.npy"))
        seeds = seeds[config.held_out :]
        done = spent / (60.0 * config.minutes)
        rate = config.learning_rate * min(1.0, (step + 1) / 50, 2.0 * (1.0 - done) + 0.01)
        for group in (g for o in optimisers for g in o.param_groups):
            group["lr"] = rate
        total = 0.0
        for _ in range(config.batch):
            seed = seeds[int(rng.integers(len(seeds)))]
            if seed not in subjects:
                subjects[seed] = Subject.read(folder, seed)
            channels, statistics, solid = subjects[seed].crop(config.angles, rng)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits, section = fuser(channels, statistics)
            keep = slice(_MARGIN, -_MARGIN)
            hull = channels[CHANNELS.index("hull")][:, keep]
            loss = loss_of(
                logits[:, keep].float(), section.float(), solid[:, keep], hull, config.edge
            )
            (loss / config.batch).backward()  # type: ignore[no-untyped-call]
            total += loss.item() / config.batch
        torch.nn.utils.clip_grad_norm_(fuser.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        step += 1
        decay = min(config.average, step / (step + 10))
        with torch.no_grad():
            for kept, new in zip(averaged.parameters(), fuser.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        losses.append(total)
        if time.perf_counter() - saved > config.save_s:
            _save(run, fuser, averaged, optimisers, step, time.perf_counter() - began)
            known = sorted(p.name.split(".")[0] for p in folder.glob("*.occupancy.npy"))
            scores = validate(averaged, folder, known[: config.held_out])
            line = {"step": step, "minutes": spent / 60, "loss": float(np.mean(losses)), **scores}
            line["subjects"] = len(seeds)
            with (run / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            _log.info("%s", json.dumps({k: round(v, 4) for k, v in line.items()}))
            losses, saved = [], time.perf_counter()
    _save(run, fuser, averaged, optimisers, step, spent)


def _save(
    run: Path,
    fuser: Fuser,
    averaged: Fuser,
    optimisers: Sequence[torch.optim.Optimizer],
    step: int,
    spent: float,
) -> None:
    state = {
        "fuser": fuser.state_dict(),
        "averaged": averaged.state_dict(),
        "optimisers": [o.state_dict() for o in optimisers],
        "step": step,
        "spent": spent,
    }
    torch.save(state, run / "checkpoint.part")
    (run / "checkpoint.part").replace(run / "checkpoint.pt")
    half = {k: v.half().contiguous() for k, v in averaged.state_dict().items()}
    save_file(half, run / f"{FUSER}.part")
    (run / f"{FUSER}.part").replace(run / FUSER)


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=FuseConfig.minutes)
    parser.add_argument("--learning-rate", type=float, default=FuseConfig.learning_rate)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = FuseConfig(minutes=options.minutes, learning_rate=options.learning_rate)
    train(options.data, options.run, config, options.threads)


if __name__ == "__main__":
    main()
