"""The evidence in one grid: fields of the frames, visual hull, profile and photo consistency."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.stages import MergeConfig
from tasks.fusion.decision.iso_level import expected_occupancy
from tasks.fusion.evidence.fields import (
    PosedField,
    frame_overlaps,
    lacks_rim,
    robust_mean,
    sample_fields,
    visibility_weights,
)
from tasks.fusion.evidence.plane_sweep import PhotoConsistency
from tasks.fusion.evidence.profile import ProfileFit
from tasks.fusion.evidence.registration import register_fields
from tasks.fusion.evidence.spokes import count_spokes
from tasks.fusion.evidence.symmetry import SymmetrisedField, symmetrise
from tasks.fusion.evidence.visual_hull import visual_hull_distance
from tasks.fusion.grid import CylinderGrid, Field, make_grid
from tasks.fusion.views import View

_STANDS_OUT = 0.04
"""By this share of the radius a rim may stand out from the widest part of the tyre."""


@dataclass(frozen=True)
class Evidence:
    """What is known about every node before it is decided whether it is solid.

    Args:
        grid: The common grid.
        fields: The frames' fields with their corrected similarities.
        unweighted_mean: ``(R, T, Z)`` float32 robust mean of the frames' log-odds.
        mean: ``(R, T, Z)`` float32 robust mean, weighted by how well each frame sees a node.
        std: ``(R, T, Z)`` float32 standard deviation over the frames, log-odds.
        occupancy: ``(R, T, Z)`` float32 mean probability of matter, 0 to 1.
        confidence: ``(R, T, Z)`` float32 how well the best frame sees a node, 0 to 1.
        symmetrised: The mean, shrunk towards its rotational mean where the frames differ.
        hull: ``(R, T, Z)`` float32 metres inside the visual hull and the profile.
        profile_depth: ``(R, Z)`` metres inside the fitted profile.
        shell: ``(R, Z)`` nodes that the outlines show to be solid.
        consistencies: Photo consistency by side, +1 for the face towards +z and -1; without a side
            that too few frames see.
        symmetry_order: How often the rim's pattern repeats around, 1 where none stands out.
        without_rim: Whether the frames see a tyre without a rim.
    """

    grid: CylinderGrid
    fields: list[PosedField]
    unweighted_mean: Field
    mean: Field
    std: Field
    occupancy: Field
    confidence: Field
    symmetrised: SymmetrisedField
    hull: Field
    profile_depth: NDArray[np.float64]
    shell: NDArray[np.bool_]
    consistencies: Mapping[int, PhotoConsistency]
    symmetry_order: int
    without_rim: bool


def gather_evidence(
    posed: Sequence[PosedField],
    views: Sequence[View],
    fit: ProfileFit,
    sweep: Callable[[CylinderGrid], Mapping[int, PhotoConsistency]],
    config: MergeConfig,
) -> Evidence:
    """Bring fields, outlines and photos into one grid.

    Args:
        posed: The chosen frames' fields.
        views: Masks of all posed frames, but for those that lack a part of the tyre.
        fit: The tyre's outer profile.
        sweep: Photo consistency in a grid by side, without a side that too few frames see.
        config: Parameters.
    """
    low, high = fit.profile.extent
    radius = fit.profile.radius
    grid = make_grid(radius, max(-low, high), steps=config.grid_steps, angles=config.grid_angles)
    hull = _hull(grid, views, fit, config)
    near = hull > -2.5 * grid.step
    values = sample_fields(posed, grid, near, bound=config.max_log_density)
    fields = list(posed)
    if len(posed) > 2 and config.min_registration_gain < 1.0:
        fields = register_fields(
            posed,
            grid,
            values,
            hull,
            robust_scale=config.robust_scale,
            min_gain=config.min_registration_gain,
        )
        moved = [k for k, (a, b) in enumerate(zip(posed, fields, strict=True)) if a is not b]
        if moved:
            values[moved] = sample_fields(
                [fields[k] for k in moved], grid, near, bound=config.max_log_density
            )
    ones = np.ones_like(values)
    first, _, _ = robust_mean(values, ones, robust_scale=config.robust_scale)
    overlaps = frame_overlaps(values, grid, first) ** config.overlap_power
    weights = visibility_weights(fields, grid, first, floor=config.occluded_weight)
    weights *= overlaps[:, None, None, None].astype(np.float32)
    mean, std, effective = robust_mean(values, weights, robust_scale=config.robust_scale)
    confidence = weights.max(axis=0)
    r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
    depth = fit.profile.depth(r, z)
    # outlines alone make no tyre: some frame has to see matter, too
    reliable = math.isfinite(fit.residual_px) and bool((first > 0).any())
    consistencies = sweep(grid)
    symmetrised = symmetrise(
        grid, mean, std, effective, confidence, strength=config.symmetry_strength
    )
    swept = list(consistencies.values())
    return Evidence(
        grid=grid,
        fields=fields,
        unweighted_mean=first,
        mean=mean,
        std=std,
        occupancy=expected_occupancy(values, weights),
        confidence=confidence,
        symmetrised=symmetrised,
        hull=hull,
        profile_depth=depth,
        shell=(depth > 0) & (depth < config.shell_depth * radius) & fit.touched(r, z) & reliable,
        consistencies=consistencies,
        symmetry_order=count_spokes(grid, swept, radius) if swept else symmetrised.symmetry_order,
        without_rim=lacks_rim(grid, values),
    )


def _hull(grid: CylinderGrid, views: Sequence[View], fit: ProfileFit, config: MergeConfig) -> Field:
    """Metres inside the visual hull and, where outlines touch it, the fitted profile."""
    outer = np.full(grid.shape, np.inf, np.float32)
    if math.isfinite(fit.residual_px):
        r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
        low, high = fit.profile.extent
        # what stands out from the sidewalls, a flange or a nut, no direction of the profile knows
        out = _STANDS_OUT * fit.profile.radius * (r < fit.profile.core)
        box = np.minimum(np.minimum(high + out - z, z - low + out), fit.profile.radius - r)
        limit = np.where(fit.touched(r, z), fit.profile.depth(r, z), box)
        outer[:] = (limit + 0.5 * grid.step).astype(np.float32)[:, None, :]
    near = outer > -3.0 * grid.step
    outer[near] = np.minimum(
        outer[near],
        visual_hull_distance(
            grid.points()[near.reshape(-1)],
            views,
            outliers=config.outlier_masks,
            margin_px=config.mask_margin_px,
        ),
    )
    return outer
