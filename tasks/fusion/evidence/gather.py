"""All that is known of a tyre, in one grid: its frames' fields, its outlines, its photos."""

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
    facing_weights,
    frame_trust,
    is_bare,
    robust_mean,
    sample_fields,
)
from tasks.fusion.evidence.plane_sweep import Agreement
from tasks.fusion.evidence.profile import ProfileFit
from tasks.fusion.evidence.registration import refine_fields
from tasks.fusion.evidence.spokes import spokes_around
from tasks.fusion.evidence.symmetry import RevolvedField, revolve_and_blend
from tasks.fusion.evidence.visual_hull import silhouette_distance
from tasks.fusion.grid import CylinderGrid, Field, make_grid
from tasks.fusion.views import View


@dataclass(frozen=True)
class Evidence:
    """What is known about every node before it is decided.

    Args:
        grid: The common grid.
        fields: The frames' fields with their corrected similarities.
        first: ``(R, T, Z)`` even robust mean of the frames' log-odds.
        mean: ``(R, T, Z)`` their robust mean, weighted by how well each frame sees a node.
        spread: ``(R, T, Z)`` standard deviation over the frames.
        expected: ``(R, T, Z)`` mean probability of matter.
        confidence: ``(R, T, Z)`` how well the best frame sees a node, 0 to 1.
        blended: The mean, revolved as far as the frames do not deviate together.
        hull: ``(R, T, Z)`` metres inside the silhouettes.
        depth: ``(R, Z)`` metres inside the fitted profile.
        shell: ``(R, Z)`` nodes that the outlines show to be solid.
        agreements: Where the photos agree, by side; without a side where too few see it.
        fold: How often the rim's pattern repeats around, 1 where none stands out.
        bare: Whether the frames see a tyre without a rim.
    """

    grid: CylinderGrid
    fields: list[PosedField]
    first: Field
    mean: Field
    spread: Field
    expected: Field
    confidence: Field
    blended: RevolvedField
    hull: Field
    depth: NDArray[np.float64]
    shell: NDArray[np.bool_]
    agreements: Mapping[int, Agreement]
    fold: int
    bare: bool


def gather_evidence(
    posed: Sequence[PosedField],
    views: Sequence[View],
    fit: ProfileFit,
    agree: Callable[[CylinderGrid], Mapping[int, Agreement]],
    config: MergeConfig,
) -> Evidence:
    """Bring fields, outlines and photos into one grid.

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
    fields = list(posed)
    if len(posed) > 2 and config.refine_gain < 1.0:
        fields = refine_fields(
            posed, grid, values, hull, spread=config.spread, least_gain=config.refine_gain
        )
        moved = [k for k, (a, b) in enumerate(zip(posed, fields, strict=True)) if a is not b]
        if moved:
            values[moved] = sample_fields([fields[k] for k in moved], grid, near, clip=config.clip)
    even = np.ones_like(values)
    first, _, _ = robust_mean(values, even, spread=config.spread)
    trust = frame_trust(values, grid, first) ** config.trust
    weights = facing_weights(fields, grid, first, floor=config.hidden_weight)
    weights *= trust[:, None, None, None].astype(np.float32)
    mean, spread, effective = robust_mean(values, weights, spread=config.spread)
    confidence = weights.max(axis=0)
    r, z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
    depth = fit.profile.depth(r, z)
    # outlines alone make no tyre
    known = math.isfinite(fit.residual_px) and bool((first > 0).any())
    bare = is_bare(grid, values)
    agreements = agree(grid)
    blended = revolve_and_blend(grid, mean, spread, effective, confidence, strength=config.symmetry)
    seen = list(agreements.values())
    return Evidence(
        grid=grid,
        fields=fields,
        first=first,
        mean=mean,
        spread=spread,
        expected=expected_occupancy(values, weights),
        confidence=confidence,
        blended=blended,
        hull=hull,
        depth=depth,
        shell=(depth > 0) & (depth < config.shell * radius) & fit.touched(r, z) & known,
        agreements=agreements,
        fold=spokes_around(grid, seen, radius) if seen else blended.fold,
        bare=bare,
    )


def _hull(grid: CylinderGrid, views: Sequence[View], fit: ProfileFit, config: MergeConfig) -> Field:
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
