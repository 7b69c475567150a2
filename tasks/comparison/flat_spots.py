"""Flat spots of the tread, by the outlines that touch it.

A mesh on a grid, made to be as round as a tyre, smooths a flat spot of two millimetres away. The
outline shows it: in every frame it touches the tread all along an arc. An arc's own position, by
which a camera's error moves all of it, is taken out; what frames agree on is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.comparison.surface_samples import Measured
from tasks.surface.heights import SurfaceGrid
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]

BINS = 360
"""Angles at which the tread's roundness is told."""
_WINDOW = 25
"""Degrees to either side that a dip is measured against: flat spots are shorter than half of it."""
_LEAST_KNOWN = 0.6
_MIN_FRAMES = 2
_MOST_AROUND = 0.4
"""A ray that runs round the tyre slides over a flat spot: it touches where that ends."""
_SMOOTHING = 2
"""Degrees to either side that are averaged."""
_EDGE = 0.35
"""A flat spot reaches as far as it is this share of its depth."""
_NOISES = 4.0


@dataclass(frozen=True)
class Roundness:
    """How far the tread lies off round, by angle.

    Args:
        height: ``(BINS,)`` metres; minus is a dip; not finite where too few frames tell.
        frames: ``(BINS,)`` number of frames.
    """

    height: FloatArray
    frames: NDArray[np.int64]


@dataclass(frozen=True)
class FlatSpot:
    """A flat spot that the damaged tyre has and the new one has not."""

    angle_deg: float
    length_mm: float
    depth_mm: float
    certainty: float


def roundness(measured: Measured, tread: tuple[int, int], config: CompareConfig) -> Roundness:
    """The roundness of a tread.

    Args:
        measured: What is known of the tyre.
        tread: Rows of its tread.
        config: Parameters.
    """
    seen = measured.above_ground(config.hidden_deg)
    used = (seen.row >= tread[0]) & (seen.row < tread[1]) & (seen.around < _MOST_AROUND)
    height, frame = seen.height[used], seen.frame[used]
    spots = (seen.angle_deg[used] * BINS / 360).astype(int) % BINS
    arcs = []
    for index in np.unique(frame):
        own = frame == index
        arcs.append(_off_round(_median_by(spots[own], height[own])))
    if not arcs:
        return Roundness(np.full(BINS, np.nan), np.zeros(BINS, np.int64))
    stacked = np.stack(arcs)
    frames = np.isfinite(stacked).sum(axis=0)
    enough = frames >= _MIN_FRAMES
    out = np.full(BINS, np.nan)
    out[enough] = np.nanmedian(stacked[:, enough], axis=0)
    return Roundness(out, frames)


def _median_by(bins: NDArray[np.int64], values: FloatArray) -> FloatArray:
    """Medians ``(BINS,)`` of the values of each bin, not finite where there is none."""
    out = np.full(BINS, np.nan)
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(BINS + 1))
    for k in np.flatnonzero(np.diff(edges)):
        out[k] = np.median(values[order[edges[k] : edges[k + 1]]])
    return out


def _off_round(height: FloatArray) -> FloatArray:
    """Heights less the median of their surroundings, where most of these are known."""
    around = np.stack([np.roll(height, k) for k in range(-_WINDOW, _WINDOW + 1)])
    known = np.isfinite(around).mean(axis=0) >= _LEAST_KNOWN
    out = np.full(BINS, np.nan)
    out[known] = height[known] - np.nanmedian(around[:, known], axis=0)
    return out


def flat_spots(
    grid: SurfaceGrid,
    new: Roundness,
    other: Roundness,
    pixel_m: float,
    config: CompareConfig,
) -> tuple[list[FlatSpot], float]:
    """Flat spots of the other tread that the new one has not, the deepest first.

    Args:
        grid: The grid of both.
        new: Roundness of the new tread.
        other: Roundness of the other, in the new one's frame.
        pixel_m: What a pixel of the coarser film covers.
        config: Parameters.

    Returns:
        The flat spots, and the least depth that could be told, metres; not finite where the
        outlines tell nothing.
    """
    change = _smoothed(other.height - new.height)
    known = np.isfinite(change)
    if known.mean() < _LEAST_KNOWN / 2:
        return [], float("nan")
    deviation = robust_sd(change[known])
    least = max(config.min_spot_px * pixel_m, _NOISES * deviation)
    radius = float(grid.section[:, 0].max())
    found, left = [], np.where(known, change, 0.0)
    while left.min() < -least:
        k = int(left.argmin())
        depth = -float(left[k])
        inside = _run(left < -_EDGE * depth, k)
        length = len(inside) * 2 * np.pi * radius / BINS
        if 1000 * length >= config.min_spot_mm and len(inside) < _WINDOW:
            weights = -left[inside]
            offset = (inside - k + BINS // 2) % BINS - BINS // 2
            angle = (k + float((weights * offset).sum() / weights.sum()) + 0.5) * 360 / BINS
            certainty = min(1.0, depth / (2 * least))
            found.append(FlatSpot(angle % 360, 1000 * length, 1000 * depth, certainty))
        left[inside] = 0.0
        left[k] = 0.0
    return found, least


def _smoothed(values: FloatArray) -> FloatArray:
    around = np.stack([np.roll(values, k) for k in range(-_SMOOTHING, _SMOOTHING + 1)])
    known = np.isfinite(around).sum(axis=0) > _SMOOTHING
    out = np.full(BINS, np.nan)
    out[known] = np.nanmean(around[:, known], axis=0)
    return out


def _run(inside: NDArray[np.bool_], start: int) -> NDArray[np.int64]:
    """The bins around one of them that are inside without a gap, round the tyre."""
    low = high = 0
    while inside[(start - low - 1) % BINS] and low < BINS // 2:
        low += 1
    while inside[(start + high + 1) % BINS] and high < BINS // 2:
        high += 1
    return np.arange(start - low, start + high + 1) % BINS
