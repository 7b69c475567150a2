"""The frames' fields become one: sampled, weighted, revolved, anchored to the outlines, carved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.fusion.balance import balance, expected_occupancy
from tasks.fusion.carve import silhouette_distance
from tasks.fusion.config import MergeConfig
from tasks.fusion.fields import PosedField, facing_weights, robust_mean, sample_fields
from tasks.fusion.grid import CylinderGrid, make_grid
from tasks.fusion.profile import ProfileFit
from tasks.fusion.refine import refine_fields
from tasks.fusion.revolve import revolve_and_blend, warp_to_profile
from tasks.fusion.views import View


@dataclass(frozen=True)
class FusedField:
    """The fused field and what the frames say about it.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` log-density less that of the surface.
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
    posed: Sequence[PosedField], views: Sequence[View], fit: ProfileFit, config: MergeConfig
) -> FusedField:
    """Fuse the fields of the chosen frames.

    Args:
        posed: The chosen frames' fields.
        views: Masks of all posed frames, those that lack a part left out.
        fit: The tyre's outer profile.
        config: Parameters.
    """
    low, high = fit.profile.extent
    grid = make_grid(
        fit.profile.radius,
        max(-low, high),
        steps=config.grid_steps,
        angles=config.grid_angles,
    )
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
    weights = facing_weights(posed, grid, first, floor=config.hidden_weight)
    mean, spread, effective = robust_mean(values, weights, spread=config.spread)
    confidence = weights.max(axis=0)
    blended = revolve_and_blend(grid, mean, spread, effective, confidence, strength=config.symmetry)
    field = balance(
        grid,
        blended.field,
        expected_occupancy(values, weights),
        fit.profile.radius,
        lowest=-config.thin_parts,
    )
    slope = np.float32(2.0 / grid.step)
    if math.isfinite(fit.residual_px) and (first > 0).any():  # outlines alone make no tyre
        field = warp_to_profile(grid, field, _outer_radii(fit, grid), most=config.warp)
        r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
        below = slope * np.maximum(fit.profile.signed(r, z), 0.0).astype(np.float32)
        shell = fit.shell(r, z, config.shell * fit.profile.radius)
        solid = np.where(shell, np.minimum(below, config.clip), np.float32(-np.inf))
        field = np.maximum(field, solid[:, None, :])
    field = np.minimum(field, np.clip(slope * hull, -config.clip, config.clip))
    field[-1], field[:, :, 0], field[:, :, -1] = -config.clip, -config.clip, -config.clip
    return FusedField(grid, field, spread, blended.fold, float(blended.kept.mean()), list(posed))


def _hull(
    grid: CylinderGrid, views: Sequence[View], fit: ProfileFit, config: MergeConfig
) -> NDArray[np.float32]:
    """Metres inside the silhouettes and the fitted profile at every node."""
    outer = np.full(grid.shape, np.inf, np.float32)
    if math.isfinite(fit.residual_px):
        r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
        profile = fit.profile.signed(r, z).astype(np.float32)
        outer[:] = profile[:, None, :] + np.float32(0.5 * grid.step)
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
