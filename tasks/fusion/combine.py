"""The frames' fields become one: sampled, weighted, revolved, and fitted to photos and outlines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tasks.fusion.balance import balance, expected_occupancy
from tasks.fusion.carve import silhouette_distance
from tasks.fusion.config import MergeConfig
from tasks.fusion.fields import (
    PosedField,
    facing_weights,
    frame_trust,
    is_bare,
    robust_mean,
    sample_fields,
)
from tasks.fusion.grid import CylinderGrid, make_grid
from tasks.fusion.profile import ProfileFit
from tasks.fusion.refine import refine_fields
from tasks.fusion.revolve import revolve_and_blend, warp_to_profile
from tasks.fusion.segment import segment
from tasks.fusion.stereo import Agreement
from tasks.fusion.views import View


@dataclass(frozen=True)
class FusedField:
    """The fused field and what the frames say about it.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` positive inside.
        spread: ``(R, T, Z)`` standard deviation over the frames.
        fold: Order of the rotational symmetry that was used, 1 for none.
        kept: Mean share of the deviation from the revolved field that was kept.
        fields: The frames' fields with their corrected similarities.
    """

    grid: CylinderGrid
    field: NDArray[np.float32]
    spread: NDArray[np.float32]
    fold: int
    kept: float
    fields: list[PosedField]


def fuse_fields(
    posed: Sequence[PosedField],
    views: Sequence[View],
    fit: ProfileFit,
    agree: Callable[[CylinderGrid], Mapping[int, Agreement]],
    config: MergeConfig,
) -> FusedField:
    """Fuse the fields of the chosen frames.

    Args:
        posed: The chosen frames' fields.
        views: Masks of all posed frames, those that lack a part left out.
        fit: The tyre's outer profile.
        agree: Where the photos agree in a grid, by side; without a side where too few see it.
        config: Parameters.
    """
    low, high = fit.profile.extent
    radius = fit.profile.radius
    grid = make_grid(radius, max(-low, high), steps=config.grid_steps, angles=config.grid_angles)
    hull = _hull(grid, views, fit, config)
    near = hull > -2.5 * grid.step
    values = sample_fields(posed, grid, near, clip=config.clip)
    if len(posed) > 2 and config.refine_gain < 1.0:
        refined = refine_fields(
            posed, grid, values, hull, spread=config.spread, least_gain=config.refine_gain
        )
        moved = [k for k, (a, b) in enumerate(zip(posed, refined, strict=True)) if a is not b]
        if moved:
            values[moved] = sample_fields([refined[k] for k in moved], grid, near, clip=config.clip)
        posed = refined
    even = np.ones_like(values)
    first, _, _ = robust_mean(values, even, spread=config.spread)
    trust = frame_trust(values, grid, first) ** config.trust
    weights = facing_weights(posed, grid, first, floor=config.hidden_weight)
    weights *= trust[:, None, None, None].astype(np.float32)
    mean, spread, effective = robust_mean(values, weights, spread=config.spread)
    confidence = weights.max(axis=0)
    blended = revolve_and_blend(grid, mean, spread, effective, confidence, strength=config.symmetry)
    fold, field = blended.fold, blended.field
    r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
    depth = fit.profile.depth(r, z)
    # outlines alone make no tyre
    known = math.isfinite(fit.residual_px) and bool((first > 0).any())
    shell = (depth > 0) & (depth < config.shell * radius) & fit.touched(r, z) & known
    # the frames' network knows a bare tyre's walls better than photos of its black inside
    agreements = {} if is_bare(grid, values) else agree(grid)
    if agreements:
        share, fold = segment(grid, field, hull, shell, agreements, config, radius=radius)
        share = gaussian_filter(share, (0.7, 0.0, 0.7), mode="nearest")  # takes the steps off
        field = np.asarray(2.0 * config.clip * (share - 0.5), np.float32)
    else:
        expected = expected_occupancy(values, weights)
        field = balance(grid, field, expected, radius, lowest=-config.thin_parts)
        if known:
            field = warp_to_profile(grid, field, _outer_radii(fit, grid), most=config.warp)
        solid = np.where(shell, np.minimum(2.0 / grid.step * depth, config.clip), -np.inf)
        field = np.maximum(field, solid[:, None, :].astype(np.float32))
    field = np.minimum(
        field, np.clip(np.float32(2.0 / grid.step) * hull, -config.clip, config.clip)
    )
    field[-1], field[:, :, 0], field[:, :, -1] = -config.clip, -config.clip, -config.clip
    return FusedField(grid, field, spread, fold, float(blended.kept.mean()), list(posed))


def _hull(
    grid: CylinderGrid, views: Sequence[View], fit: ProfileFit, config: MergeConfig
) -> NDArray[np.float32]:
    """Metres inside the silhouettes and, where outlines touch it, the fitted profile."""
    outer = np.full(grid.shape, np.inf, np.float32)
    if math.isfinite(fit.residual_px):
        r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
        low, high = fit.profile.extent
        box = np.minimum(np.minimum(high - z, z - low), fit.profile.radius - r)
        limit = np.where(fit.touched(r, z), fit.profile.depth(r, z), box)
        outer[:] = (limit + 0.5 * grid.step).astype(np.float32)[:, None, :]
    near = outer > -3.0 * grid.step
    outer[near] = np.minimum(
        outer[near],
        silhouette_distance(
            grid.points()[near.reshape(-1)],
            views,
            outliers=config.outlier_masks,
            margin_px=config.margin_px,
        ),
    )
    return outer


def _outer_radii(fit: ProfileFit, grid: CylinderGrid) -> NDArray[np.float64]:
    """Radius of the fitted profile at every height where its surface faces outwards."""
    curve = fit.profile.curve()
    count = len(curve)
    facing = np.r_[-count // 6 : count // 6 + 1]
    r, z = curve[facing].T
    order = np.argsort(z)
    return np.asarray(np.interp(grid.heights, z[order], r[order], left=0.0, right=0.0))
