"""The surface that agrees best with the fields, the photos and the outlines.

A convex segmentation: every node is solid or empty so that the sum of its unary terms (log-odds of
the network, and which side of an agreed surface it lies on) and the area of the boundary is best,
where boundary that runs along a ridge of agreement costs next to nothing.

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

from configs.stages import MergeConfig
from tasks.fusion.decision.connect import tie_loose_parts
from tasks.fusion.decision.weighted.textureless import find_face
from tasks.fusion.evidence.plane_sweep import Agreement
from tasks.fusion.evidence.spokes import surface_evidence
from tasks.fusion.grid import CylinderGrid, Field

SURE_GAP = -2.0
"""Log-odds of the network below which no wall is drawn to tie loose parts."""

FACE_RIDGE = 5.0
"""Agreement that the surface of a sure even face counts as, in units of the ridge."""

BOUND = 20.0
"""Most that the unary terms of a node amount to."""


def segment(
    grid: CylinderGrid,
    field: Field,
    hull: Field,
    shell: NDArray[np.bool_],
    agreements: Mapping[int, Agreement],
    fold: int,
    config: MergeConfig,
    *,
    radius: float,
) -> Field:
    """Segment the grid into solid and empty.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` the network's fused log-odds.
        hull: ``(R, T, Z)`` metres inside the silhouettes.
        shell: ``(R, Z)`` nodes that the outlines show to be solid.
        agreements: Of the frames, by side.
        fold: How often the rim's pattern repeats around, 1 for not.
        config: Parameters.
        radius: Outer radius in metres.

    Returns:
        ``(R, T, Z)`` share of matter at every node, 0 to 1.
    """
    values = {s: surface_evidence(grid, a, fold, radius) for s, a in agreements.items()}
    chance = np.asarray((1.0 / (1.0 + np.exp(-field))).mean(axis=1), np.float32)
    ridge, flux = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    unary = config.network * field
    for side, agreement in agreements.items():
        value, radial, axial = values[side], *_mean_direction(agreement)
        if -side in agreements:
            value, radial, axial = _with_mirrored(
                grid, value, radial, axial, values[-side], agreements[-side], radius
            )
        if config.even > 0:
            face = find_face(grid, agreement.even, value.mean(axis=1), chance, radius)
            value = value * (1.0 - face.sure)[:, None, None]  # what agrees off the face is chance
            along, solid = face.pull(grid, side)
            ridge += FACE_RIDGE * config.ridge * along[:, None]
            unary += config.even * solid[:, None]
        ridge += value
        flux += _divergence(value * radial, value * axial, config.stereo_reach)
    unary += config.stereo * flux
    unary[hull < -0.5 * grid.step] = -BOUND
    unary = np.where(shell[:, None], np.float32(0.5 * BOUND), unary)
    cost = config.boundary * (np.exp(-ridge / config.ridge) + 0.03)
    unary = np.clip(unary, -BOUND, BOUND).astype(np.float32)
    share = minimise(grid, unary, cost.astype(np.float32))
    centre = 1.0 / (1.0 + np.exp(-field.mean(axis=1)))
    likely = np.where(hull.mean(axis=1) > 0.0, centre + ridge.mean(axis=1), 0.0)
    wall = config.shell * radius
    return tie_loose_parts(grid, share, likely.astype(np.float32), field > SURE_GAP, thickness=wall)


def _mean_direction(agreement: Agreement) -> tuple[Field, Field]:
    return (
        agreement.radial.mean(axis=1, keepdims=True),
        agreement.axial.mean(axis=1, keepdims=True),
    )


def _with_mirrored(
    grid: CylinderGrid,
    value: Field,
    radial: Field,
    axial: Field,
    other: Field,
    other_agreement: Agreement,
    radius: float,
) -> tuple[Field, Field, Field]:
    """Let a tyre's other side fill in, at half its strength: carcasses are mirrored, rims not."""
    share = 0.5 * np.clip((grid.radii / radius - 0.55) / 0.1, 0.0, 1.0)[:, None, None]
    mirrored = (share * other[..., ::-1]).astype(np.float32)
    other_radial, other_axial = _mean_direction(other_agreement)
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
        unary: ``(R, T, Z)`` gain of calling a node solid.
        cost: ``(R, T, Z)`` cost of boundary at a node, for the area of one radial step squared.
        iterations: Primal-dual steps.
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
