"""The evidence as channels of a grid, as the fusing network reads it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.plane_sweep import Agreement
from tasks.fusion.evidence.spokes import surface_evidence
from tasks.fusion.grid import CylinderGrid, Field

NETWORK = ("first", "mean", "blended", "spread", "expected", "confidence")
"""Channels of the frames' fields."""

OUTLINES = ("hull", "depth", "shell")
"""Channels of the outlines."""

PHOTOS = ("agreement", "repeated", "radial", "axial", "even", "brightness", "variation")
"""Channels of the photos of one face; those of the face towards +z come first."""

PLACE = ("radius", "height")
"""Channels of a node's place."""

FIELD_SCALE = 4.0
"""Log-density that a channel of the fields shows as 1."""

CHANNELS = (*NETWORK, *OUTLINES, *PHOTOS, *PHOTOS, *PLACE)


def evidence_channels(evidence: Evidence, radius: float) -> Field:
    """All evidence, scaled to about -1 to 1.

    Args:
        evidence: See :func:`tasks.fusion.evidence.gather.gather_evidence`.
        radius: Outer radius, metres.

    Returns:
        ``(C, R, T, Z)`` float32, in the order of :data:`CHANNELS`.
    """
    grid = evidence.grid
    shape, step = grid.shape, grid.step
    section = [np.clip(evidence.depth / (8.0 * step), -1.0, 1.0), evidence.shell]
    place = [(grid.radii / radius)[:, None, None], (grid.heights / radius)[None, None, :]]
    fold = evidence.fold
    found = [
        evidence.first / FIELD_SCALE,
        evidence.mean / FIELD_SCALE,
        evidence.blended.field / FIELD_SCALE,
        evidence.spread / FIELD_SCALE,
        evidence.expected,
        evidence.confidence,
        np.clip(evidence.hull / (4.0 * step), -1.0, 1.0),
        *(s[:, None] for s in section),
        *_photos(grid, evidence.agreements.get(1), fold, radius),
        *_photos(grid, evidence.agreements.get(-1), fold, radius),
        *place,
    ]
    return np.stack([np.broadcast_to(f, shape).astype(np.float32) for f in found])


def _photos(
    grid: CylinderGrid, agreement: Agreement | None, fold: int, radius: float
) -> list[NDArray[np.float32]]:
    if agreement is None:
        return [np.zeros((1, 1, 1), np.float32)] * len(PHOTOS)
    repeated = surface_evidence(grid, agreement, fold, radius)
    return [
        2.0 * agreement.value,
        2.0 * repeated,
        agreement.radial,
        agreement.axial,
        agreement.even[:, None],
        0.5 * agreement.brightness - 1.5,
        2.0 * agreement.variation,
    ]


def mirrored(channels: Tensor) -> Tensor:
    """The channels ``(C, R, T, Z)`` of the tyre with its faces exchanged.

    A mirrored tyre turns the other way, which no channel can tell.
    """
    flipped = channels.flip(-1)
    first = len(NETWORK) + len(OUTLINES)
    second, end = first + len(PHOTOS), first + 2 * len(PHOTOS)
    flipped[first:end] = torch.cat([flipped[second:end], flipped[first:second]])
    for side in (first, second):
        flipped[side + PHOTOS.index("axial")] *= -1
    flipped[CHANNELS.index("height")] *= -1
    return flipped
