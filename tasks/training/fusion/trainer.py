"""Trains the fusing network on the subjects of :mod:`tasks.training.fusion.subjects`.

``python -m tasks.training.fusion DATA --run RUN --minutes M`` goes on from RUN's checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tasks.fusion.decision.network import Fuser, statistics_of
from tasks.fusion.decision.network_inputs import CHANNELS, NETWORK, OUTLINES, PHOTOS, mirrored
from tasks.network.weights import FUSER
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
        held_out: Of how many subjects one is validated on, by its number.
        edge: Weight of nodes near the surface, over the others.
        save_s: Seconds between checkpoints.
        seed: Of order and augmentation.
        device: That trains; all subjects have to fit in its memory.
    """

    minutes: float = 45.0
    angles: int = 64
    batch: int = 2
    learning_rate: float = 3e-3
    average: float = 0.995
    held_out: int = 12
    edge: float = 4.0
    save_s: float = 120.0
    seed: int = 0
    device: str = "cpu"


def corrupted(parts: Sequence[Tensor], rng: np.random.Generator) -> None:
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
        for row, shift in enumerate(np.rint(bend).astype(int).tolist()):
            if shift:
                for part in parts:
                    part[:, :count, row] = part[:, :count, row].roll(shift, -1)
    if rng.random() < 0.15:  # the network is unsure
        share = rng.uniform(0.2, 0.8)
        for part in parts:
            part[:, :count] *= share
    first = count + len(OUTLINES)
    for side in (0, 1):
        if rng.random() < 0.07:
            at = first + side * len(PHOTOS)
            for part in parts:
                part[:, at : at + len(PHOTOS)] = 0.0


@dataclass
class Subject:
    """One subject on the training device.

    Args:
        channels: ``(C, R, T, Z)`` float16.
        occupancy: ``(R, T, Z)`` uint8.
        statistics: ``(3, C, R, Z)`` float32, as it is and mirrored.
    """

    channels: Tensor
    occupancy: Tensor
    statistics: tuple[Tensor, Tensor]

    @classmethod
    def read(cls, folder: Path, seed: str, device: str = "cpu") -> Subject:
        """Open a subject; on the CPU its arrays stay on disk."""
        arrays = [
            torch.from_numpy(np.load(folder / f"{seed}.{name}.npy", mmap_mode="c")).to(device)
            for name in ("channels", "occupancy")
        ]
        whole = arrays[0].float()
        both = [statistics_of(c) for c in (whole, mirrored(whole))]
        first, second = (s.reshape(3, -1, *s.shape[1:]) for s in both)
        return cls(arrays[0], arrays[1], (first, second))

    def crop(self, angles: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A random crop ``(C, R, A, Z)``, statistics ``(3 * C, R, Z)``, occupancy ``(R, A, Z)``."""
        start = int(rng.integers(self.channels.shape[2]))
        at = (start + np.arange(angles)) % self.channels.shape[2]
        if rng.random() < 0.5:
            at = at[::-1].copy()
        chosen = torch.from_numpy(at).to(self.channels.device)
        part = self.channels[:, :, chosen].float()
        solid = self.occupancy[:, chosen].float() / 255.0
        side = int(rng.random() < 0.5)
        if side:
            part, solid = mirrored(part), solid.flip(-1)
        statistics = self.statistics[side].clone()
        corrupted((part[None], statistics), rng)
        return part, statistics.flatten(0, 1), solid


def loss_of(logits: Tensor, section: Tensor, solid: Tensor, hull: Tensor, edge: float) -> Tensor:
    """Cross-entropy, weighted by volume, and more near the surface; without what is carved.

    Args:
        logits: ``(R, A, Z)``.
        section: ``(R, Z)`` of the section branch.
        solid: ``(R, A, Z)`` share of matter.
        hull: ``(R, A, Z)`` the channel of that name.
        edge: Weight near the surface.
    """
    radius = torch.linspace(0.02, 1.0, len(logits), device=logits.device)[:, None, None]
    pooled = functional.max_pool3d(solid[None], 3, 1, 1)[0]
    pooled = pooled + functional.max_pool3d(1.0 - solid[None], 3, 1, 1)[0] - 1.0
    weight = radius * (1.0 + edge * pooled) * (hull > -0.95)
    every = functional.binary_cross_entropy_with_logits(logits, solid, reduction="none")
    mean = solid.mean(dim=1)
    whole = functional.binary_cross_entropy_with_logits(section, mean, reduction="none")
    flat = weight.mean(dim=1)
    return (weight * every).sum() / weight.sum() + 0.2 * (flat * whole).sum() / flat.sum()


@torch.inference_mode()
def validate(fuser: Fuser, subjects: Iterable[Subject]) -> dict[str, float]:
    """Median and mean IoU by volume over subjects, and that of the frames' fields alone."""
    found: list[float] = []
    before: list[float] = []
    hull_at, mean_at = CHANNELS.index("hull"), CHANNELS.index("blended")
    for subject in subjects:
        channels, solid = subject.channels.float(), subject.occupancy > 127
        logits, _ = fuser(channels, subject.statistics[0].flatten(0, 1))
        radius = torch.arange(len(solid), device=solid.device)[:, None, None].float()
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
    fuser, averaged = Fuser().to(config.device), Fuser().to(config.device)
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
        state = torch.load(checkpoint, weights_only=True, map_location=config.device)
        fuser.load_state_dict(state["fuser"])
        averaged.load_state_dict(state["averaged"])
        for optimiser, known in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(known)
        step, spent = state["step"], state["spent"]
    device = torch.device(config.device)
    half = native_bfloat16(device)  # emulated it is slower by far than float32
    rng = np.random.default_rng([config.seed, step])
    began, saved = time.perf_counter() - spent, time.perf_counter()
    losses: list[Tensor] = []
    subjects: dict[str, Subject] = {}
    while (spent := time.perf_counter() - began) < 60.0 * config.minutes:
        _read_new(folder, subjects, config.device)
        held_out = [s for seed, s in subjects.items() if int(seed) % config.held_out == 0]
        seeds = sorted(seed for seed in subjects if int(seed) % config.held_out)
        done = spent / (60.0 * config.minutes)
        rate = config.learning_rate * min(1.0, (step + 1) / 50, 2.0 * (1.0 - done) + 0.01)
        for group in (g for o in optimisers for g in o.param_groups):
            group["lr"] = rate
        for _ in range(config.batch):
            seed = seeds[int(rng.integers(len(seeds)))]
            channels, statistics, solid = subjects[seed].crop(config.angles, rng)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                logits, section = fuser(channels, statistics)
            keep = slice(_MARGIN, -_MARGIN)
            hull = channels[CHANNELS.index("hull")][:, keep]
            loss = loss_of(
                logits[:, keep].float(), section.float(), solid[:, keep], hull, config.edge
            )
            (loss / config.batch).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        torch.nn.utils.clip_grad_norm_(fuser.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        step += 1
        decay = min(config.average, step / (step + 10))
        with torch.no_grad():
            for kept, new in zip(averaged.parameters(), fuser.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        if time.perf_counter() - saved > config.save_s:
            _save(run, fuser, averaged, optimisers, step, time.perf_counter() - began)
            line = {"step": step, "minutes": spent / 60, "loss": float(torch.stack(losses).mean())}
            line |= validate(averaged, held_out)
            line["subjects"] = len(seeds)
            with (run / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            _log.info("%s", json.dumps({k: round(v, 4) for k, v in line.items()}))
            losses, saved = [], time.perf_counter()
    _save(run, fuser, averaged, optimisers, step, spent)


def _read_new(folder: Path, subjects: dict[str, Subject], device: str) -> None:
    for path in folder.glob("*.occupancy.npy"):  # written last
        seed = path.name.split(".")[0]
        if seed not in subjects:
            subjects[seed] = Subject.read(folder, seed, device)


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
    half = {k: v.half().cpu().contiguous() for k, v in averaged.state_dict().items()}
    save_file(half, run / f"{FUSER}.part")
    (run / f"{FUSER}.part").replace(run / FUSER)


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=FuseConfig.minutes)
    parser.add_argument("--learning-rate", type=float, default=FuseConfig.learning_rate)
    parser.add_argument("--batch", type=int, default=FuseConfig.batch)
    parser.add_argument("--angles", type=int, default=FuseConfig.angles)
    parser.add_argument("--average", type=float, default=FuseConfig.average)
    parser.add_argument("--save-s", type=float, default=FuseConfig.save_s)
    parser.add_argument("--device", default=FuseConfig.device)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    given = vars(options)
    folder, run, threads = (given.pop(name) for name in ("data", "run", "threads"))
    train(folder, run, FuseConfig(**given), threads)
