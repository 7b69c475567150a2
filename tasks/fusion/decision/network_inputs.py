"""The evidence as channels of a grid, as the fusing network reads it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.plane_sweep import PhotoConsistency
from tasks.fusion.evidence.spokes import symmetrise_consistency
from tasks.fusion.grid import CylinderGrid, Field

NETWORK = ("unweighted_mean", "mean", "symmetrised", "std", "occupancy", "confidence")
"""Channels of the frames' fields."""

OUTLINES = ("hull", "profile_depth", "shell")
"""Channels of the outlines."""

PHOTOS = (
    "consistency",
    "symmetrised_consistency",
    "radial",
    "axial",
    "textureless",
    "brightness",
    "brightness_std",
)
"""Channels of the photos of one face; those of the face towards +z come first."""

POSITION = ("radius", "height")
"""Channels of a node's position."""

FIELD_SCALE = 4.0
"""Log-density that is 1 in a channel of the fields."""

CHANNELS = (*NETWORK, *OUTLINES, *PHOTOS, *PHOTOS, *POSITION)


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
    section = [np.clip(evidence.profile_depth / (8.0 * step), -1.0, 1.0), evidence.shell]
    position = [(grid.radii / radius)[:, None, None], (grid.heights / radius)[None, None, :]]
    order = evidence.symmetry_order
    channels = [
        evidence.unweighted_mean / FIELD_SCALE,
        evidence.mean / FIELD_SCALE,
        evidence.symmetrised.field / FIELD_SCALE,
        evidence.std / FIELD_SCALE,
        evidence.occupancy,
        evidence.confidence,
        np.clip(evidence.hull / (4.0 * step), -1.0, 1.0),
        *(s[:, None] for s in section),
        *_photos(grid, evidence.consistencies.get(1), order, radius),
        *_photos(grid, evidence.consistencies.get(-1), order, radius),
        *position,
    ]
    return np.stack([np.broadcast_to(c, shape).astype(np.float32) for c in channels])


def _photos(
    grid: CylinderGrid, consistency: PhotoConsistency | None, symmetry_order: int, radius: float
) -> list[NDArray[np.float32]]:
    if consistency is None:
        return [np.zeros((1, 1, 1), np.float32)] * len(PHOTOS)
    symmetrised = symmetrise_consistency(grid, consistency, symmetry_order, radius)
    return [
        2.0 * consistency.value,
        2.0 * symmetrised,
        consistency.radial,
        consistency.axial,
        consistency.textureless[:, None],
        0.5 * consistency.brightness - 1.5,
        2.0 * consistency.brightness_std,
    ]


def mirror_channels(channels: Tensor) -> Tensor:
    """Reflect a tyre in its middle plane, so that its faces are exchanged.

    A mirrored tyre turns the other way, which no channel shows.

    Args:
        channels: ``(C, R, T, Z)``, in the order of :data:`CHANNELS`.

    Returns:
        The channels of the mirrored tyre, of the same shape.
    """
    flipped = channels.flip(-1)
    first = len(NETWORK) + len(OUTLINES)
    second, end = first + len(PHOTOS), first + 2 * len(PHOTOS)
    flipped[first:end] = torch.cat([flipped[second:end], flipped[first:second]])
    for side in (first, second):
        flipped[side + PHOTOS.index("axial")] *= -1
    flipped[CHANNELS.index("height")] *= -1
    return flipped
