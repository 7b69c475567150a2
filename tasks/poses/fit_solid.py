"""Fit a solid of revolution to outlines that hold more than the tyre, or less.

The signed distances of the masks' contour points to the solid's image are made small by iteratively
reweighted Gauss-Newton steps. The weights fall to nothing on either side (Geman and McClure,
Statistical methods for tomographic image reconstruction, Bull. ISI 52, 1987), at a scale that
shrinks while the fit improves (Black and Rangarajan, IJCV 19, 1996). What stands beside a tyre is
no part of a solid of revolution, even where it is in the same place in all frames: most points of
most contours agree on one solid, and the axle is that of the solid on which they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import fibonacci_half_sphere
from tasks.poses.outline import DIRECTIONS
from tasks.poses.solid import KNOTS, MAX_FALLS, NUM_PARAMETERS, TYPICAL_FALLS, Misfit, Solid, Views

FloatArray = NDArray[np.float64]

_RATIO = (float(np.log(0.42)), 0.5)
"""Prior mean and standard deviation of log(half width / radius)."""

_MIRROR_STD = 0.01
"""Prior standard deviation of the difference between the falls of both sides."""

_PRIOR_WEIGHT = 1.5e-4
"""Weight of the priors beside that of a contour point: they decide what no contour shows, such as
the width behind a post, and move nothing that contours show."""

HALF_WIDTHS = (0.25, 0.45, 0.7)
"""Half widths over radii that are tried."""

_APART = float(np.cos(np.radians(12.0)))
"""Starts with axles nearer to each other are one."""

_LEAST_FACING = 0.7
"""Cosine between two normals from which a contour point may belong to the solid's outline."""

_SHRINK = 0.75
"""Factor on the weights' scale from one step to the next."""

_SCALES = (0.25, 2.0)
"""Bounds of the last scale, percent of the outlines' size."""

_MAX_MOVE = 0.3
"""Longest step of a parameter of position, direction or logarithm of a size."""

_AT_REST = 1e-4


def fit_solid(views: Views) -> Solid:
    """Fit a solid of revolution to all outlines.

    Args:
        views: Cameras and outlines. A part of every outline may belong to something else, and a
            third of them may be wrong altogether.

    Returns:
        The best solid, its axle with an arbitrary sign.
    """
    keep = np.unique(np.linspace(0, len(views.cameras) - 1, 16).astype(np.intp))
    few, coarse = views.subset(keep, step=2), views.subset(keep, step=4)
    falls = np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
    starts: list[Solid] = []
    for centre, radius in _first_guesses(views):
        guesses = [
            Solid(centre, axle, radius, ratio * radius, falls)
            for axle in fibonacci_half_sphere(120)
            for ratio in HALF_WIDTHS
        ]
        starts += _best(coarse, guesses, scale=8.0, count=5)
    rough = [refine_solid(coarse, s, scale=10.0, steps=10) for s in starts]
    fine = [refine_solid(few, s) for s in _best(few, rough, scale=2.0, count=5)]
    best = max(fine, key=lambda s: float(few.agreement(s).score.mean()))
    return refine_solid(views, best, scale=2.0)


def _best(views: Views, solids: Sequence[Solid], *, scale: float, count: int) -> list[Solid]:
    """The solids that explain most of the contours, none with an axle near that of a better one."""
    chosen: list[Solid] = []
    for solid in sorted(solids, key=lambda s: _unexplained(views, s, scale)):
        if all(abs(solid.axle @ c.axle) < _APART for c in chosen):
            chosen.append(solid)
        if len(chosen) == count:
            break
    return chosen


def _unexplained(views: Views, solid: Solid, scale: float) -> float:
    """Share of the contours' points that the solid does not explain, to a scale in percent."""
    directions = DIRECTIONS[::2]
    gap = views.contour @ directions.T - views.supports(solid, 2)[:, None]  # (N, P, D / 2)
    best = gap.argmax(axis=2)
    error = 100.0 * gap.max(axis=2) / views.size[:, None]
    facing = (views.normals * directions[best]).sum(axis=2)
    close = np.where(facing > 0, facing, 0.0) / (1.0 + (error / scale) ** 2)
    return 1.0 - float(close[views.uncut].sum() / max(int(views.uncut.sum()), 1))


def _first_guesses(views: Views) -> list[tuple[FloatArray, float]]:
    """Centres ``(3,)`` and radii to start from.

    The outlines' boxes are right where masks hold the tyre alone. Where they hold a stand below it,
    its centre lies higher. Circles inside the outlines are hardly moved by what stands beside it.
    """
    focal = np.array([c.fx for c in views.cameras])

    def guess(pixels: FloatArray, extents: FloatArray, share: float) -> tuple[FloatArray, float]:
        centre = meeting_point(views.cameras, list(pixels))
        depth = np.array([c.project(centre[None])[0, 2] for c in views.cameras])
        return centre, max(float(np.percentile(extents * depth / focal, share)), 1e-6)

    boxes = np.stack([o.centre for o in views.outlines])
    circles = np.array([o.inscribed for o in views.outlines])  # (N, 3)
    middle, half = guess(boxes, 0.5 * views.size, 50.0)
    inner, depth = guess(circles[:, :2], circles[:, 2], 90.0)
    up = -np.mean([c.rotation[1] for c in views.cameras], axis=0)
    up /= max(float(np.linalg.norm(up)), 1e-12)
    lifted = [(middle + share * half * up, (1.0 - share) * half) for share in (0.0, 0.15, 0.3)]
    return [*lifted, (inner, depth), (inner, 1.25 * depth)]


def meeting_point(cameras: Sequence[Camera], pixels: Sequence[FloatArray]) -> FloatArray:
    """The world point ``(3,)`` nearest to the rays through one pixel of each camera, robustly."""
    origins = np.stack([c.centre for c in cameras])
    rays = np.stack([c.rays(p[None])[0] for c, p in zip(cameras, pixels, strict=True)])
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]  # (N, 3, 3)
    weights = np.ones(len(cameras))
    point = np.zeros(3)
    for _ in range(10):
        left = np.einsum("n,nij->ij", weights, across)
        right = np.einsum("n,nij,nj->i", weights, across, origins)
        point = np.linalg.lstsq(left, right, rcond=None)[0]
        away = point - origins
        miss = np.linalg.norm(np.einsum("nij,nj->ni", across, away), axis=1)
        miss /= np.maximum(np.linalg.norm(away, axis=1), 1e-12)
        weights = 1.0 / np.maximum(miss, 0.2 * np.median(miss) + 1e-6)
    return np.asarray(point)


def refine_solid(
    views: Views,
    start: Solid,
    *,
    scale: float = 4.0,
    steps: int = 60,
    known_axle: bool = False,
    known_face: float = 0.0,
) -> Solid:
    """Fit a solid to the contours from a start.

    Args:
        views: Cameras and outlines.
        start: The start.
        scale: First scale of the weights, percent of the outlines' size: how far off the start is.
        steps: Most steps.
        known_axle: Whether the start's axle, direction and position, is kept.
        known_face: Besides, the plane of which face is kept: that towards the axle (1), that away
            from it (-1) or none (0).

    Returns:
        The solid at which the steps came to rest.
    """
    solid = start
    moves = np.eye(NUM_PARAMETERS)
    if known_axle:  # along it alone
        moves = np.column_stack([np.zeros(NUM_PARAMETERS), moves[:, 5:]])
        moves[:3, 0] = start.axle
    for _ in range(steps):
        if known_face:  # what is wider reaches farther on the other side
            moves[:3, 0] = 0.0
            moves[:3, 2] = -known_face * solid.half_width / solid.radius * solid.axle
        misfit = views.misfit(solid, derivatives=True)
        x = _gauss_newton(solid, misfit, _weights(views, misfit, scale), scale, moves)
        solid = solid.moved(x)
        if known_face:  # a step is straight, the width's logarithm is not: the plane would creep
            face = start.centre + known_face * start.half_width * start.axle
            solid = replace(solid, centre=face - known_face * solid.half_width * solid.axle)
        smallest = contour_noise(views, misfit)
        if scale <= smallest and float(np.abs(x[:7]).max()) < _AT_REST:
            break
        scale = max(smallest, _SHRINK * scale)
    return solid


def _weights(views: Views, misfit: Misfit, scale: float) -> FloatArray:
    """``(N, P)`` weights of contour points, from 1 on the solid's outline and along it to 0."""
    return along_outline(views, misfit) / (1.0 + (misfit.error / scale) ** 2) ** 2


def along_outline(views: Views, misfit: Misfit) -> FloatArray:
    """``(N, P)`` how far contour points run along the solid's outline, from 0 to 1."""
    facing = np.clip(2.0 * (misfit.facing - _LEAST_FACING) / (1.0 - _LEAST_FACING), 0.0, 1.0)
    return np.where(views.uncut, facing, 0.0)


def contour_noise(views: Views, misfit: Misfit) -> float:
    """The scale that suits the contours' own noise, in percent of the outlines' size."""
    near = views.uncut & (np.abs(misfit.error) < 2.5) & (misfit.facing > 0.8)
    typical = float(np.median(np.abs(misfit.error[near]))) if near.any() else _SCALES[1]
    return float(np.clip(2.5 * typical, *_SCALES))


def _gauss_newton(
    solid: Solid, misfit: Misfit, weights: FloatArray, scale: float, moves: FloatArray
) -> FloatArray:
    """One step ``(17,)``, weighted and with priors; falls stay within their bounds.

    Args:
        solid: Where it begins.
        misfit: With derivatives.
        weights: ``(N, P)`` of the contours' points.
        scale: Where the weights fall off, percent.
        moves: ``(17, M)`` the ways in which the solid may move, the falls last.
    """
    jacobian = misfit.jacobian.reshape(-1, NUM_PARAMETERS) @ moves
    weighted = jacobian * weights.reshape(-1, 1)
    rows, values = solid_priors(solid)
    rows = rows @ moves
    trust = _PRIOR_WEIGHT * scale**2 * max(float(weights.sum()), 1.0)
    left = weighted.T @ jacobian + trust * rows.T @ rows
    right = -weighted.T @ misfit.error.ravel() - trust * rows.T @ values
    count = len(right)
    left[np.diag_indices(count)] += 1e-3 * np.diag(left) + 1e-9
    falls, most = solid.falls.ravel(), np.tile(MAX_FALLS, 2)
    free = np.ones(count, dtype=bool)
    while True:
        step = np.zeros(count)
        step[free] = np.linalg.solve(left[np.ix_(free, free)], right[free])
        change = step[count - len(falls) :]
        outward = ((falls <= 0.0) & (change < 0.0)) | ((falls >= most) & (change > 0.0))
        if not outward.any():
            break
        free[count - len(falls) :] &= ~outward
    x = moves @ step
    x[:7] = np.clip(x[:7], -_MAX_MOVE, _MAX_MOVE)
    return np.asarray(x)


def solid_priors(solid: Solid) -> tuple[FloatArray, FloatArray]:
    """Derivatives ``(K, 17)`` and values ``(K,)`` of what is expected to be 0 ± 1."""
    count = len(KNOTS)
    ratio = np.zeros((1, NUM_PARAMETERS))
    ratio[0, 5:7] = -1.0, 1.0
    off = np.array([np.log(solid.half_width / solid.radius) - _RATIO[0]])
    falls = np.eye(2 * count, NUM_PARAMETERS, 7)
    typical = np.tile(TYPICAL_FALLS, 2)
    mirrored = falls[:count] - falls[count:]
    rows = [ratio / _RATIO[1], falls / typical[:, None], mirrored / _MIRROR_STD]
    values = [
        off / _RATIO[1],
        (solid.falls.ravel() - typical) / typical,
        (solid.falls[0] - solid.falls[1]) / _MIRROR_STD,
    ]
    return np.concatenate(rows), np.concatenate(values)
