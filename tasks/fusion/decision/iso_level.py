"""The iso-level at which a field of log-odds holds the volume that it expects.

Frames that agree on a spoke but not on its exact place each give it less than even odds, and a
surface at even odds loses it. A network trained on occupancy is calibrated: the sum of its
probabilities is the expected volume. So the level is lowered or raised until the field holds that
volume, where the evidence is strongest: one level for the fusing network's field, one at every
radius for fields weighed by hand. Calibration: Guo, Pleiss, Sun and Weinberger, On calibration of
modern neural networks, ICML 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from tasks.fusion.grid import CylinderGrid, Field


def expected_occupancy(values: NDArray[np.float32], weights: NDArray[np.float32]) -> Field:
    """Weighted mean over the frames of the probability of matter.

    Args:
        values: ``(N, R, T, Z)`` float32 log-odds.
        weights: ``(N, R, T, Z)`` float32, not negative.

    Returns:
        ``(R, T, Z)`` float32, 0 to 1.
    """
    top = np.zeros(values.shape[1:], np.float32)
    for v, w in zip(values, weights, strict=True):
        top += w / (1.0 + np.exp(-v))
    return np.asarray(top / np.maximum(weights.sum(axis=0), 1e-6), np.float32)


def level_by_radius(
    field: Field, expected: Field, *, lowest: float, highest: float, smooth: float = 1.5
) -> NDArray[np.float32]:
    """The level at every radius above which the field holds the expected volume, ``(R,)``.

    Args:
        field: ``(R, T, Z)`` fused log-odds.
        expected: ``(R, T, Z)`` probability of matter.
        lowest: Least level, negative; bounds how much is added.
        highest: Largest level, positive; bounds how much is removed.
        smooth: Smoothing along the radius in nodes.
    """
    n_r = field.shape[0]
    flat = np.sort(field.reshape(n_r, -1), axis=1)[:, ::-1]
    count = np.clip(expected.reshape(n_r, -1).sum(axis=1).round().astype(np.int64), 1, None)
    at = np.minimum(count, flat.shape[1]) - 1
    level = np.clip(flat[np.arange(n_r), at], lowest, highest)
    return np.asarray(gaussian_filter1d(level, smooth, mode="nearest"), np.float32)


def volume_preserving_level(
    grid: CylinderGrid, field: Field, *, lowest: float, highest: float
) -> np.float32:
    """The level above which a calibrated field holds the volume that it expects.

    Where a network is unsure on which side of a node a thin wall stands, both sides get less than
    even odds, and a surface at even odds loses the wall.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` log-odds of matter whose probabilities are right on average.
        lowest: Least level, bounds how much is added.
        highest: Largest level, bounds how much is removed.

    Returns:
        The level, log-odds.
    """
    volume = np.broadcast_to(grid.radii[:, None, None], field.shape).ravel()
    flat = field.ravel()
    expected = float((volume / (1.0 + np.exp(-flat))).sum())
    order = np.argsort(flat)[::-1]
    at = min(int(np.searchsorted(np.cumsum(volume[order]), expected)), len(order) - 1)
    return np.float32(np.clip(flat[order[at]], lowest, highest))


def preserve_volume_by_radius(
    grid: CylinderGrid, field: Field, expected: Field, outer: float, *, lowest: float
) -> Field:
    """Shift a field at every radius so that it holds the expected volume inside the tyre.

    Near the outer surface, which the outlines give, the field stays as it is.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` fused log-odds.
        expected: ``(R, T, Z)`` probability of matter.
        outer: Outer radius in metres.
        lowest: Least level, negative.
    """
    level = level_by_radius(field, expected, lowest=lowest, highest=-0.25 * lowest)
    inner = np.clip((0.85 - grid.radii / outer) / 0.15, 0.0, 1.0).astype(np.float32)
    return np.asarray(field - (inner * level)[:, None, None], np.float32)
