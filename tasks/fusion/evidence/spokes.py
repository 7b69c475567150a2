"""What repeats around the axle: spokes, counted and averaged in what the photos agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from tasks.fusion.evidence.plane_sweep import Agreement
from tasks.fusion.evidence.symmetry import fold_mean, fold_shares
from tasks.fusion.grid import CylinderGrid, Field

RIDGE_REACH = 4
"""Nodes along the axle around the mean ridge in which a spoke's surface is looked for."""

NEAR_AXLE = 0.07
"""Share of the radius below which a circle holds too few nodes for a mean of its own."""

BACKGROUND = 1.3
"""Agreement by chance, in medians: the best of several groups always agree a little."""


def spokes_around(
    grid: CylinderGrid, agreements: Sequence[Agreement], radius: float, *, least: float = 0.2
) -> int:
    """How many times the pattern of the rim repeats around, 1 where none stands out.

    What repeats less than three times is light and shadow, not spokes.
    """
    rows = (grid.radii > 0.15 * radius) & (grid.radii < 0.8 * radius)
    power = np.zeros(len(grid.angles) // 2 + 1)
    for agreement in agreements:
        power += _power(ridge_map(agreement.value)[rows]).sum(axis=0)
    even, power[:3] = float(power[0]), 0.0
    total = float(power.sum())
    if total <= 1e-4 * even:
        return 1
    _, score = fold_shares(power, total)
    best = max(score, key=lambda n: score[n])
    if score[best] < least:
        return 1
    # what repeats six times also repeats three times
    return max(n for n in range(best, 25, best) if score[n] > 0.7 * score[best])


def _power(rows: Field) -> NDArray[np.float64]:
    """Power spectrum around the axle of every row ``(N, T)``."""
    return np.asarray(np.abs(np.fft.rfft(rows, axis=1)) ** 2)


def ridge_map(value: Field) -> Field:
    """Agreement on the face's surface at every radius and angle, ``(R, T)``."""
    mean = gaussian_filter(value.mean(axis=1), 1.0)
    k = mean[:, RIDGE_REACH:-RIDGE_REACH].argmax(axis=1) + RIDGE_REACH
    rows = [v[:, i - RIDGE_REACH : i + RIDGE_REACH + 1].max(axis=1) for v, i in zip(value, k)]  # noqa: B905
    return np.stack(rows)


def surface_evidence(grid: CylinderGrid, agreement: Agreement, fold: int, radius: float) -> Field:
    """Agreement above its background, revolved; where spokes repeat, repeated with them.

    Returns:
        ``(R, T, Z)``, not negative.
    """
    value = agreement.value
    mean = value.mean(axis=1, keepdims=True)
    out = np.repeat(mean, value.shape[1], axis=1)
    if fold > 1:
        surface = ridge_map(value)
        power = _power(surface - surface.mean(axis=1, keepdims=True))
        power[:, :3] = 0.0
        share = power[:, fold::fold].sum(axis=1) / np.maximum(power.sum(axis=1), 1e-9)
        contrast = surface.std(axis=1) / np.maximum(surface.mean(axis=1), 1e-6)
        amount = np.clip((share - 0.3) / 0.3, 0, 1) * np.clip(4.0 * contrast - 0.5, 0, 1)
        amount *= np.clip((0.8 - grid.radii / radius) / 0.15, 0.0, 1.0)
        amount[(grid.radii > 0.8 * radius) | (grid.radii < 0.1 * radius)] = 0.0
        amount = gaussian_filter1d(amount, 1.0)[:, None, None]
        repeated = mean + fold_mean(value - mean, np.ones_like(value), fold)
        out = (1 - amount) * out + amount * (0.9 * repeated + 0.1 * value)
    few = int(np.searchsorted(grid.radii, NEAR_AXLE * radius))
    out[:few] = out[few]
    return np.asarray(np.maximum(out - BACKGROUND * np.median(mean), 0.0), np.float32)
