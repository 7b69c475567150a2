"""Rotational symmetry as a prior: the mean around the axle, and as much else as is significant.

What deviates from the mean passes a Wiener filter (Wiener, Extrapolation, interpolation, and
smoothing of stationary time series, 1949) whose noise is the frames' variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tasks.fusion.grid import CylinderGrid, Field


@dataclass(frozen=True)
class SymmetrisedField:
    """A symmetrised field and what was found about its symmetry.

    Args:
        field: ``(R, T, Z)`` float32 log-density.
        kept: ``(R, Z)`` float32 share of the deviation from the rotational mean that was kept,
            0 to 1.
        symmetry_order: Order of the rotational symmetry that was used, 1 for none.
    """

    field: Field
    kept: Field
    symmetry_order: int


def symmetrise(
    grid: CylinderGrid,
    mean: Field,
    std: Field,
    effective: Field,
    confidence: Field,
    *,
    strength: float,
) -> SymmetrisedField:
    """Shrink a field towards its mean around the axle.

    At every (r, z) the deviation from the rotational mean is kept in proportion to how much of its
    power the variance of the frames cannot explain (a Wiener filter): a smooth tread and sidewall
    follow the mean profile, spokes follow the evidence at their angle. Spokes repeat: where
    the deviation repeats n times around, its n-fold mean, which has n times the evidence, is used
    before what is left.

    Args:
        grid: The common grid.
        mean: ``(R, T, Z)`` fused log-density.
        std: ``(R, T, Z)`` standard deviation over the frames, log-density.
        effective: ``(R, T, Z)`` effective number of frames.
        confidence: ``(R, T, Z)`` weight of the evidence at a node (how well any frame saw it).
        strength: How much larger than measured the noise is taken to be; 0 keeps everything.
    """
    total = np.maximum(confidence.sum(axis=1), 1e-6)
    centre = (confidence * mean).sum(axis=1) / total  # (R, Z)
    residual = mean - centre[:, None]
    noise = strength * (std**2 / np.maximum(effective, 1.0)).mean(axis=1)
    order = detect_symmetry_order(grid, residual, confidence)
    shared = np.zeros_like(residual)
    if order > 1:
        repeated = rotational_mean(residual, confidence, order)
        keep = _wiener((repeated**2).mean(axis=1), noise / order)
        shared = keep[:, None] * repeated
    rest = residual - shared
    keep_rest = _wiener((confidence * rest**2).sum(axis=1) / total, noise)
    seen = confidence / np.maximum(confidence.max(axis=1, keepdims=True), 1e-6)
    field = centre[:, None] + shared + keep_rest[:, None] * seen * rest
    return SymmetrisedField(field.astype(np.float32), keep_rest.astype(np.float32), order)


def _wiener(power: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of a signal to keep, from its power and the noise's, smoothed over (r, z)."""
    power, noise = gaussian_filter(power, 1.0), gaussian_filter(noise, 1.0)
    return np.asarray(np.clip(1.0 - noise / np.maximum(power, 1e-9), 0.0, 1.0), np.float32)


def rotational_mean(residual: Field, confidence: Field, order: int) -> Field:
    """Weighted mean of a field and its rotations by multiples of ``2 pi / order``."""
    n_t = residual.shape[1]
    angle = np.arange(n_t)
    top = np.zeros_like(residual)
    bottom = np.full_like(residual, 1e-6)
    for k in range(order):
        at = (angle + k * n_t / order) % n_t
        low = np.floor(at).astype(np.int64)
        share = (at - low).astype(np.float32)[None, :, None]
        after = (low + 1) % n_t
        value = (1 - share) * residual[:, low] + share * residual[:, after]
        weight = (1 - share) * confidence[:, low] + share * confidence[:, after]
        top += weight * value
        bottom += weight
    return top / bottom


def symmetry_shares(
    power: NDArray[np.float64], total: float
) -> tuple[dict[int, float], dict[int, float]]:
    """How much of a spectrum around the axle repeats n times, for n from 3 to 24.

    Args:
        power: ``(K,)`` power by number of waves around the axle, from 0.
        total: The whole power.

    Returns:
        The share of every n, and how far it is above chance: 0 for noise, 1 for nothing else.
    """
    share = {n: float(power[n::n].sum()) / total for n in range(3, 25)}
    return share, {n: (s - 1.0 / n) / (1.0 - 1.0 / n) for n, s in share.items()}


def detect_symmetry_order(
    grid: CylinderGrid, residual: Field, confidence: Field, *, min_score: float = 0.35
) -> int:
    """Order of the rotational symmetry inside the rim, 1 where none stands out.

    Args:
        grid: The common grid.
        residual: ``(R, T, Z)`` deviation from the rotational mean.
        confidence: ``(R, T, Z)`` weight of the evidence.
        min_score: Least share of the power above chance that counts as a symmetry, 0 to 1.
    """
    inner = (grid.radii > 0.2 * grid.radii[-1]) & (grid.radii < 0.7 * grid.radii[-1])
    area = grid.radii[inner, None, None]
    signal = (residual * confidence)[inner] * np.sqrt(area)
    n_t = signal.shape[1]
    spectrum = (np.abs(np.fft.rfft(signal, axis=1)) ** 2).sum(axis=(0, 2))
    spectrum[0] = 0.0
    total = float(spectrum.sum())
    if total <= 0.0:
        return 1
    power = np.zeros(n_t)
    for k in range(1, min(len(spectrum), n_t // 2)):
        power[k] = spectrum[k]
    share, score = symmetry_shares(power, total)
    best = max(score, key=lambda n: score[n])
    if score[best] < min_score:
        return 1
    # what repeats six times also repeats three times
    return max(n for n in range(best, 25, best) if share[n] > 0.9 * share[best])


def warp_to_profile(
    grid: CylinderGrid, fused: Field, outer_radius: NDArray[np.float64], *, max_change: float
) -> Field:
    """Stretch a field along the radius so that its mean outer surface meets a known profile.

    Args:
        grid: The common grid.
        fused: ``(R, T, Z)`` log-density.
        outer_radius: ``(Z,)`` radius of the true outer surface at every height; 0 where unknown.
        max_change: Largest relative change of the radius; heights that would need a larger one
            stay as they are.

    Returns:
        ``(R, T, Z)`` float32 stretched log-density.
    """
    mean = fused.mean(axis=1)  # (R, Z)
    out = fused.copy()
    for k, target in enumerate(outer_radius):
        inside = np.nonzero(mean[:, k] > 0)[0]
        if target <= 0 or len(inside) == 0 or inside[-1] + 1 >= len(grid.radii):
            continue
        i = int(inside[-1])
        a, b = float(mean[i, k]), float(mean[i + 1, k])
        found = float(grid.radii[i]) + grid.step * a / max(a - b, 1e-6)
        ratio = found / target
        if abs(math.log(ratio)) > max_change:
            continue
        fade = np.clip((grid.radii / target - 0.6) / 0.3, 0.0, 1.0)
        at = np.clip(
            grid.radii * (1.0 + fade * (ratio - 1.0)) / grid.step, 0, len(grid.radii) - 1.001
        )
        low = at.astype(np.int64)
        share = (at - low).astype(np.float32)[:, None]
        out[:, :, k] = (1 - share) * fused[low, :, k] + share * fused[low + 1, :, k]
    return out
