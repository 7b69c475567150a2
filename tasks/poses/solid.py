"""The tyre as a solid of revolution, fitted to the outlines of its masks.

For one circle of the solid the tangent lines in an image follow in closed form from its dual
quadric (Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 8.3): a line ``l`` touches
the circle's image when ``l^T G l = 0``, ``G = r² M (I - a a^T) M^T - q q^T`` with ``M = K R``,
``a`` the axle and ``q`` the image of the circle's centre. With ``l = (d, -s)`` this is a quadratic
in ``s``, the support of the ellipse in direction ``d``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import fibonacci_half_sphere, tangents
from tasks.poses.outline import DIRECTIONS, NUM_DIRECTIONS, Outline, overlap, polygon_of_support

FloatArray = NDArray[np.float64]

_KNOTS = np.array([0.45, 0.7, 0.85, 0.95, 1.0])
"""Shares of the half width at which the profile's radius is free."""

TYPICAL_FALLS = np.array([0.01, 0.02, 0.03, 0.04, 0.06])
"""Typical fall of the radius from one knot to the next, as shares of the radius."""

_MAX_FALLS = np.array([0.1, 0.1, 0.1, 0.15, 0.15])
"""Largest falls: a deeper one would be a spike on the axle, not a shoulder or a hub."""

_RATIO = (np.log(0.42), 0.5)
"""Prior mean and standard deviation of log(half width / radius)."""


@dataclass(frozen=True)
class Solid:
    """A solid of revolution; only the convex hull of its circles counts.

    Args:
        centre: ``(3,)`` world.
        axle: ``(3,)`` unit vector.
        radius, half_width: World units.
        falls: ``(2, K)`` fall of the radius from knot to knot, as shares of the radius, on the
            sides towards ``-axle`` and ``+axle``.
    """

    centre: FloatArray
    axle: FloatArray
    radius: float
    half_width: float
    falls: FloatArray

    def circles(self) -> tuple[FloatArray, FloatArray]:
        """Positions ``(C,)`` along the axle from the centre, and radii ``(C,)``."""
        z = np.concatenate([-_KNOTS[::-1], [0.0], _KNOTS])
        left, right = 1.0 - np.cumsum(self.falls, axis=1)
        r = np.concatenate([left[::-1], [1.0], right])
        return self.half_width * z, self.radius * np.maximum(r, 0.02)


class Views:
    """The cameras and outlines of many frames, stacked for fast evaluation."""

    def __init__(self, cameras: Sequence[Camera], outlines: Sequence[Outline]) -> None:
        intrinsics = np.array(
            [[[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1]] for c in cameras], dtype=np.float64
        )
        rotations = np.stack([c.rotation for c in cameras])
        self.cameras = list(cameras)
        self.outlines = list(outlines)
        self.projection = intrinsics @ rotations  # (N, 3, 3)
        translations = np.stack([c.translation for c in cameras])
        self.offset = np.einsum("nij,nj->ni", intrinsics, translations)  # (N, 3)
        self.support = np.stack([o.support for o in outlines])  # (N, D)
        self.valid = np.stack([o.valid for o in outlines])  # (N, D)
        self.size = np.array([o.size for o in outlines])  # (N,)

    def subset(self, keep: NDArray[np.intp]) -> Views:
        """The views at these indices."""
        return Views([self.cameras[i] for i in keep], [self.outlines[i] for i in keep])

    def supports(self, solid: Solid, step: int = 1) -> FloatArray:
        """Support of the solid's image, ``(N, D / step)`` pixels."""
        d = DIRECTIONS[::step]  # (D, 2)
        m = self.projection
        z, r = solid.circles()
        axle = m @ solid.axle  # (N, 3)
        disc = m @ m.transpose(0, 2, 1) - axle[:, :, None] * axle[:, None, :]  # (N, 3, 3)
        middle = m @ solid.centre + self.offset  # (N, 3)
        q = middle[:, None, :] + z[None, :, None] * axle[:, None, :]  # (N, C, 3)
        g = (r**2)[None, :, None, None] * disc[:, None] - q[..., :, None] * q[..., None, :]
        lead = g[..., 2, 2]  # (N, C), negative while the circle lies before the camera
        half = g[..., :2, 2] @ d.T  # (N, C, D)
        squares = np.stack([d[:, 0] ** 2, 2.0 * d[:, 0] * d[:, 1], d[:, 1] ** 2])  # (3, D)
        last = np.stack([g[..., 0, 0], g[..., 0, 1], g[..., 1, 1]], axis=-1) @ squares
        root = np.sqrt(np.maximum(half**2 - lead[..., None] * last, 0.0))
        lead = np.minimum(lead, -1e-12)
        return np.asarray(((half - root) / lead[..., None]).max(axis=1))

    def residuals(self, solid: Solid, step: int = 1) -> FloatArray:
        """``(N, D / step)``: solid minus mask, in percent of the mask's size; 0 where cut off."""
        r = (self.supports(solid, step) - self.support[:, ::step]) / self.size[:, None]
        return np.where(self.valid[:, ::step], 100.0 * r, 0.0)

    def overlaps(self, solid: Solid) -> FloatArray:
        """``(N,)`` intersection over union of the solid's image and the mask's hull."""
        return np.array(
            [
                overlap(polygon_of_support(s), o.hull, o.width, o.height)
                for s, o in zip(self.supports(solid), self.outlines, strict=True)
            ]
        )


def fit_solid(views: Views, *, axles: FloatArray | None = None) -> Solid:
    """Fit a solid of revolution to all outlines.

    Args:
        views: Cameras and outlines; a third of them may be wrong.
        axles: ``(A, 3)`` unit directions to try besides a uniform sample.

    Returns:
        The best solid, its axle with an arbitrary sign.
    """
    keep = np.unique(np.linspace(0, len(views.cameras) - 1, 16).astype(np.intp))
    few = views.subset(keep)
    centre = meeting_point(views.cameras, [o.centre for o in views.outlines])
    radius = _first_radius(views, centre)
    tried: list[tuple[float, Solid]] = []
    directions = fibonacci_half_sphere(200)
    for axle in directions if axles is None else np.concatenate([directions, axles]):
        for ratio in (0.25, 0.45, 0.7):
            solid = Solid(
                centre, axle, radius, ratio * radius, np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
            )
            tried.append((_cost(few.residuals(solid, 4)), solid))
    tried.sort(key=lambda t: t[0])
    starts: list[Solid] = []
    for _, solid in tried:
        if all(abs(solid.axle @ s.axle) < np.cos(np.radians(20)) for s in starts):
            starts.append(solid)
        if len(starts) == 4:
            break
    rough = [
        refine_solid(few, s, loss="soft_l1", scale=2.0, step=3, evaluations=30) for s in starts
    ]
    best = min(rough, key=lambda s: _cost(few.residuals(s, 2)))
    best = refine_solid(views, best)
    typical = np.median(np.abs(views.residuals(best)), axis=1)  # (N,)
    good = np.flatnonzero(typical <= max(1.5, 3.0 * float(np.median(typical))))
    return refine_solid(views.subset(good), best, loss="cauchy", scale=0.4, step=2, evaluations=60)


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


def _first_radius(views: Views, centre: FloatArray) -> float:
    """Half the median over frames of the outline's largest extent, at the centre's depth."""
    found = [
        o.size * float(c.project(centre[None])[0, 2]) / (2.0 * c.fx)
        for c, o in zip(views.cameras, views.outlines, strict=True)
    ]
    return max(float(np.median(found)), 1e-6)


def _cost(residuals: FloatArray) -> float:
    """Mean over frames of a saturating error, so that bad masks do not decide."""
    return float(np.mean(np.log1p((residuals / 2.0) ** 2)))


def refine_solid(
    views: Views,
    start: Solid,
    *,
    loss: str = "soft_l1",
    scale: float = 1.0,
    step: int = 2,
    evaluations: int = 40,
) -> Solid:
    """Minimise the outlines' residuals from a start (trust region, numeric derivatives)."""
    across = tangents(start.axle)

    def solid_at(x: FloatArray) -> Solid:
        axle = start.axle + x[3:5] @ across
        return Solid(
            start.centre + x[:3] * start.radius,
            axle / np.linalg.norm(axle),
            start.radius * float(np.exp(x[5])),
            start.radius * float(np.exp(x[6])),
            x[7:].reshape(2, -1),
        )

    count = len(views.cameras) * (NUM_DIRECTIONS // step)
    weight = 0.003 * scale * np.sqrt(count)  # next to nothing while outlines say anything

    def errors(x: FloatArray) -> FloatArray:
        prior = np.concatenate(
            [
                [(x[6] - x[5] - _RATIO[0]) / _RATIO[1]],
                ((x[7:].reshape(2, -1) - TYPICAL_FALLS) / TYPICAL_FALLS).ravel(),
            ]
        )
        return np.concatenate([views.residuals(solid_at(x), step).ravel(), weight * prior])

    x0 = np.concatenate(
        [np.zeros(6), [np.log(start.half_width / start.radius)], start.falls.ravel()]
    )
    falls = np.zeros(start.falls.size)
    low = np.concatenate([[-2, -2, -2, -1, -1, -1, -3.5], falls])
    high = np.concatenate([[2, 2, 2, 1, 1, 1, 0.7], np.tile(_MAX_FALLS, 2)])
    x0 = np.clip(x0, low + 1e-6, high - 1e-6)
    found = least_squares(
        errors,
        x0,
        bounds=(low, high),
        loss=loss,
        f_scale=scale,
        x_scale="jac",
        max_nfev=evaluations,
        ftol=1e-6,
        xtol=1e-6,
    )
    return solid_at(found.x)
