"""Convex segmentation of the grid: the surface that suits fields, photos and outlines best.

Every node is solid or empty so that the sum of its unary terms (log-odds of the network, and which
side of a photo-consistent surface it lies on) and the area of the boundary is best, where boundary
that runs along a ridge of photo consistency costs next to nothing.

Solved by the primal-dual method of Chambolle and Pock, A first-order primal-dual algorithm for
convex problems with applications to imaging, 2011; the relaxation is exact for two labels (Chan,
Esedoglu and Nikolova, Algorithms for finding global minimizers of image segmentation and denoising
models, 2006). The unary term from the flux of an oriented field follows Lempitsky and Boykov,
Global optimization for shape fitting, CVPR 2007.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from configs.stages import WeightedConfig
from tasks.fusion.decision.connect import connect_components
from tasks.fusion.decision.weighted.textureless import find_textureless_face
from tasks.fusion.evidence.plane_sweep import PhotoConsistency
from tasks.fusion.evidence.spokes import symmetrise_consistency
from tasks.fusion.grid import CylinderGrid, Field

MAX_GAP_LOG_ODDS = -2.0
"""Log-odds of the network below which there is a gap, and no connecting wall is drawn."""

FACE_RIDGE = 5.0
"""Photo consistency of a sure textureless face, in units of ``ridge_consistency``."""

MAX_UNARY = 20.0
"""Bound of a node's unary term on either side, log-odds."""


def segment(
    grid: CylinderGrid,
    field: Field,
    hull: Field,
    shell: NDArray[np.bool_],
    consistencies: Mapping[int, PhotoConsistency],
    symmetry_order: int,
    config: WeightedConfig,
    *,
    radius: float,
    wall_thickness: float,
) -> Field:
    """Segment the grid into solid and empty.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` float32 fused log-odds of the network.
        hull: ``(R, T, Z)`` float32 metres inside the visual hull.
        shell: ``(R, Z)`` nodes that the outlines show to be solid.
        consistencies: Photo consistency by side, +1 for the face towards +z and -1.
        symmetry_order: How often the rim's pattern repeats around, 1 for not.
        config: Weights.
        radius: Outer radius in metres.
        wall_thickness: Thickness of the walls that connect components, metres.

    Returns:
        ``(R, T, Z)`` float32 share of matter at every node, 0 to 1.
    """
    values = {
        side: symmetrise_consistency(grid, consistency, symmetry_order, radius)
        for side, consistency in consistencies.items()
    }
    probability = np.asarray((1.0 / (1.0 + np.exp(-field))).mean(axis=1), np.float32)
    ridge, flux = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    unary = config.network_weight * field
    for side, consistency in consistencies.items():
        value, radial, axial = values[side], *_mean_direction(consistency)
        if -side in consistencies:
            value, radial, axial = _filled_from_other_face(
                grid, value, radial, axial, values[-side], consistencies[-side], radius
            )
        if config.textureless_weight > 0:
            face = find_textureless_face(
                grid, consistency.textureless, value.mean(axis=1), probability, radius
            )
            # off a textureless face photos are consistent by chance only
            value = value * (1.0 - face.certainty)[:, None, None]
            along, solid = face.surface_and_side(grid, side)
            ridge += FACE_RIDGE * config.ridge_consistency * along[:, None]
            unary += config.textureless_weight * solid[:, None]
        ridge += value
        flux += _divergence(value * radial, value * axial, config.photo_consistency_reach)
    unary += config.photo_consistency_weight * flux
    unary[hull < -0.5 * grid.step] = -MAX_UNARY
    unary = np.where(shell[:, None], np.float32(0.5 * MAX_UNARY), unary)
    cost = config.boundary_weight * (np.exp(-ridge / config.ridge_consistency) + 0.03)
    unary = np.clip(unary, -MAX_UNARY, MAX_UNARY).astype(np.float32)
    occupancy = minimise(grid, unary, cost.astype(np.float32))
    section = 1.0 / (1.0 + np.exp(-field.mean(axis=1)))
    likely = np.where(hull.mean(axis=1) > 0.0, section + ridge.mean(axis=1), 0.0)
    return connect_components(
        grid,
        occupancy,
        likely.astype(np.float32),
        field > MAX_GAP_LOG_ODDS,
        thickness=wall_thickness,
    )


def _mean_direction(consistency: PhotoConsistency) -> tuple[Field, Field]:
    return (
        consistency.radial.mean(axis=1, keepdims=True),
        consistency.axial.mean(axis=1, keepdims=True),
    )


def _filled_from_other_face(
    grid: CylinderGrid,
    value: Field,
    radial: Field,
    axial: Field,
    other: Field,
    other_consistency: PhotoConsistency,
    radius: float,
) -> tuple[Field, Field, Field]:
    """Fill in from the other face at half its strength: carcasses are symmetric, rims are not."""
    share = 0.5 * np.clip((grid.radii / radius - 0.55) / 0.1, 0.0, 1.0)[:, None, None]
    mirrored = (share * other[..., ::-1]).astype(np.float32)
    other_radial, other_axial = _mean_direction(other_consistency)
    take = mirrored > value
    return (
        np.where(take, mirrored, value),
        np.where(take, other_radial[..., ::-1], radial),
        np.where(take, -other_axial[..., ::-1], axial),
    )


def _divergence(radial: Field, axial: Field, sigma: float) -> Field:
    """Smoothed divergence in the half plane: positive behind a ridge, negative before it."""
    smooth = (sigma, 0.0, sigma)
    found = np.gradient(gaussian_filter(radial, smooth), axis=0)
    found += np.gradient(gaussian_filter(axial, smooth), axis=2)
    return np.asarray(2.0 * sigma * found, np.float32)


def minimise(grid: CylinderGrid, unary: Field, cost: Field, iterations: int = 120) -> Field:
    """Minimise boundary cost less unary gain over shares of matter from 0 to 1.

    Args:
        grid: The common grid.
        unary: ``(R, T, Z)`` float32 gain of calling a node solid, log-odds.
        cost: ``(R, T, Z)`` float32 cost of boundary at a node, log-odds for the area of one radial
            step squared.
        iterations: Number of primal-dual steps.

    Returns:
        ``(R, T, Z)`` float32 share of matter, 0 to 1.
    """
    arc = np.arange(len(grid.radii)) * (2.0 * math.pi / len(grid.angles))  # in radial steps
    across = np.minimum(1.0, 1.0 / np.maximum(arc, 1e-3)).astype(np.float32)[:, None, None]
    step = np.float32(1.0 / math.sqrt(12.0))
    u = (unary > 0).astype(np.float32)
    ahead = u.copy()
    p, q, s = (np.zeros_like(u) for _ in range(3))
    for _ in range(iterations):
        p[:-1] += step * (ahead[1:] - ahead[:-1])
        q += step * across * (np.roll(ahead, -1, axis=1) - ahead)
        s[..., :-1] += step * (ahead[..., 1:] - ahead[..., :-1])
        over = np.maximum(1.0, np.sqrt(p * p + q * q + s * s) / cost)
        for component in (p, q, s):
            component /= over
        turned = across * q
        gain = unary + p + s + turned - np.roll(turned, 1, axis=1)
        gain[1:] -= p[:-1]
        gain[..., 1:] -= s[..., :-1]
        new = np.clip(u + step * gain, 0.0, 1.0)
        ahead, u = 2.0 * new - u, new
    return np.asarray(u, np.float32)
