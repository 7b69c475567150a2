"""Spokes: the order of the rim's rotational symmetry, and photo consistency averaged over it.

The order is the one whose multiples hold most of the power spectrum around the axle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from tasks.fusion.evidence.plane_sweep import PhotoConsistency
from tasks.fusion.evidence.symmetry import rotational_mean, symmetry_shares
from tasks.fusion.grid import CylinderGrid, Field

RIDGE_REACH = 4
"""Nodes along the axle around the mean ridge in which a spoke's surface is looked for."""

NEAR_AXLE = 0.07
"""Share of the radius below which a circle holds too few nodes for a mean of its own."""

BACKGROUND = 1.3
"""Consistency by chance, in medians: the best of several groups always correlate a little."""


def count_spokes(
    grid: CylinderGrid,
    consistencies: Sequence[PhotoConsistency],
    radius: float,
    *,
    min_score: float = 0.2,
) -> int:
    """How many times the pattern of the rim repeats around, 1 where none stands out.

    What repeats less than three times is light and shadow, not spokes.

    Args:
        grid: The common grid.
        consistencies: Photo consistency of the faces that were seen.
        radius: Outer radius in metres.
        min_score: Least share of the power above chance that counts as a symmetry, 0 to 1.
    """
    rows = (grid.radii > 0.15 * radius) & (grid.radii < 0.8 * radius)
    power = np.zeros(len(grid.angles) // 2 + 1)
    for consistency in consistencies:
        power += _power(ridge_map(consistency.value)[rows]).sum(axis=0)
    constant, power[:3] = float(power[0]), 0.0
    total = float(power.sum())
    if total <= 1e-4 * constant:
        return 1
    _, score = symmetry_shares(power, total)
    best = max(score, key=lambda n: score[n])
    if score[best] < min_score:
        return 1
    # what repeats six times also repeats three times
    return max(n for n in range(best, 25, best) if score[n] > 0.7 * score[best])


def _power(rows: Field) -> NDArray[np.float64]:
    """Power spectrum around the axle of every row ``(N, T)``."""
    return np.asarray(np.abs(np.fft.rfft(rows, axis=1)) ** 2)


def ridge_map(value: Field) -> Field:
    """Photo consistency ``(R, T)`` on the ridge, the face's surface, at every radius and angle."""
    mean = gaussian_filter(value.mean(axis=1), 1.0)
    k = mean[:, RIDGE_REACH:-RIDGE_REACH].argmax(axis=1) + RIDGE_REACH
    rows = [v[:, i - RIDGE_REACH : i + RIDGE_REACH + 1].max(axis=1) for v, i in zip(value, k)]  # noqa: B905
    return np.stack(rows)


def symmetrise_consistency(
    grid: CylinderGrid, consistency: PhotoConsistency, symmetry_order: int, radius: float
) -> Field:
    """Photo consistency above its background, averaged around the axle or over the spokes.

    Args:
        grid: The common grid.
        consistency: Photo consistency of one face.
        symmetry_order: How often the rim's pattern repeats around, 1 for not.
        radius: Outer radius in metres.

    Returns:
        ``(R, T, Z)`` float32 correlation, not negative.
    """
    value = consistency.value
    mean = value.mean(axis=1, keepdims=True)
    out = np.repeat(mean, value.shape[1], axis=1)
    if symmetry_order > 1:
        surface = ridge_map(value)
        power = _power(surface - surface.mean(axis=1, keepdims=True))
        power[:, :3] = 0.0
        periodic = power[:, symmetry_order::symmetry_order].sum(axis=1)
        share = periodic / np.maximum(power.sum(axis=1), 1e-9)
        contrast = surface.std(axis=1) / np.maximum(surface.mean(axis=1), 1e-6)
        amount = np.clip((share - 0.3) / 0.3, 0, 1) * np.clip(4.0 * contrast - 0.5, 0, 1)
        amount *= np.clip((0.8 - grid.radii / radius) / 0.15, 0.0, 1.0)
        amount[(grid.radii > 0.8 * radius) | (grid.radii < 0.1 * radius)] = 0.0
        amount = gaussian_filter1d(amount, 1.0)[:, None, None]
        repeated = mean + rotational_mean(value - mean, np.ones_like(value), symmetry_order)
        out = (1 - amount) * out + amount * (0.9 * repeated + 0.1 * value)
    few = int(np.searchsorted(grid.radii, NEAR_AXLE * radius))
    out[:few] = out[few]
    return np.asarray(np.maximum(out - BACKGROUND * np.median(mean), 0.0), np.float32)
