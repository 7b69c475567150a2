"""Crops of the subjects of :mod:`tasks.training.fusion.subjects`, mirrored and corrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.fusion.decision.network import statistics_of
from tasks.fusion.decision.network_inputs import NETWORK, OUTLINES, PHOTOS, mirror_channels


def corrupted(parts: Sequence[Tensor], rng: np.random.Generator) -> None:
    """Evidence that is worse than it was: a network that errs, faces that nobody filmed.

    Args:
        parts: Arrays ``(K, C, R, ..., Z)``, all changed in place and alike: what is done to a
            channel does the same to its statistics.
        rng: Source of all choices.
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
        channels: Evidence ``(C, R, T, Z)``, float16.
        occupancy: Share of matter ``(R, T, Z)``, uint8 of 255.
        statistics: Mean, deviation and maximum around the axle, ``(3, C, R, Z)`` float32, of the
            subject as it is and mirrored.
    """

    channels: Tensor
    occupancy: Tensor
    statistics: tuple[Tensor, Tensor]

    @classmethod
    def read(cls, folder: Path, seed: int, device: torch.device) -> Subject:
        """Open a subject; on the CPU its arrays stay on disk."""
        arrays = [
            torch.from_numpy(np.load(folder / f"{seed}.{name}.npy", mmap_mode="c")).to(device)
            for name in ("channels", "occupancy")
        ]
        whole = arrays[0].float()
        both = [statistics_of(c) for c in (whole, mirror_channels(whole))]
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
            part, solid = mirror_channels(part), solid.flip(-1)
        statistics = self.statistics[side].clone()
        corrupted((part[None], statistics), rng)
        return part, statistics.flatten(0, 1), solid
