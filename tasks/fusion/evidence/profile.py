"""The tyre's outer profile and axle, fitted to the outlines of all posed frames.

A solid of revolution touches the ray through every point of its outline. The profile is a closed
curve in the half plane (r, z), given by its distance from a point inside the section as a function
of the direction; a ray's residual is its least signed distance to the solid. Profile, axle and
centre are solved together by iteratively reweighted Gauss-Newton steps, so that shadows left in
masks, clipped outlines and ragged edges count little.

Apparent contours: Cipolla and Giblin, Visual motion of curves and surfaces, Cambridge, 2000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from skimage.measure import find_contours

from tasks.fusion.views import View

FloatArray = NDArray[np.float64]

KNOTS = 48
"""Directions of the profile around the section, every 7.5 degrees."""

MIN_OUTWARD_COSINE = 0.0
"""Least cosine between the axle's normal and a direction in which the outer surface is solid."""

MIN_SUPPORT = 8
"""Outline points that must touch the profile in a direction for it to count as measured."""

MAX_INSIDE_SHARE = 0.04
"""Share of an outline that may run inside the fitted solid before the mask is left out."""


@dataclass(frozen=True)
class Profile:
    """A closed curve in the (r, z) half plane around ``(core, 0)``.

    Args:
        core: Radius of the centre of the section, metres.
        lengths: ``(KNOTS,)`` metres from the core, by direction from +r towards +z.
    """

    core: float
    lengths: FloatArray

    def signed(self, r: FloatArray, z: FloatArray) -> FloatArray:
        """Approximate signed distance in metres, positive inside."""
        value, slope, rho, _, _ = self._evaluate(r, z)
        return np.asarray(-value / np.hypot(1.0, slope / np.maximum(rho, 1e-6)))

    def depth(self, r: FloatArray, z: FloatArray) -> FloatArray:
        """Signed distance in metres, positive inside; :meth:`signed` errs far from the curve."""
        nearest, _ = cKDTree(self.curve(2880)).query(np.stack([r.ravel(), z.ravel()], axis=1))
        return np.asarray(np.where(self.signed(r, z) > 0, 1.0, -1.0) * nearest.reshape(r.shape))

    def _evaluate(
        self, r: FloatArray, z: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64], FloatArray]:
        dr = r - self.core
        rho = np.hypot(dr, z)
        at = np.arctan2(z, dr) % (2 * math.pi) / (2 * math.pi / KNOTS)
        k = np.floor(at).astype(np.int64) % KNOTS
        f = at - np.floor(at)
        here, after = self.lengths[k], self.lengths[(k + 1) % KNOTS]
        slope = (after - here) / (2 * math.pi / KNOTS)
        return rho - ((1 - f) * here + f * after), slope, rho, k, f

    def curve(self, count: int = 720) -> FloatArray:
        """Points of the curve, ``(count, 2)``: r, z; directions that cross the axle stop at it."""
        phi = np.arange(count) * (2 * math.pi / count)
        lengths = np.interp(
            phi,
            np.arange(KNOTS + 1) * (2 * math.pi / KNOTS),
            np.append(self.lengths, self.lengths[0]),
        )
        r = self.core + lengths * np.cos(phi)
        return np.stack([np.maximum(r, 0.0), lengths * np.sin(phi)], axis=1)

    @property
    def radius(self) -> float:
        """Outer radius in metres."""
        return float(self.curve()[:, 0].max())

    @property
    def extent(self) -> tuple[float, float]:
        """Lowest and highest point along the axle in metres."""
        z = self.curve()[:, 1]
        return float(z.min()), float(z.max())


@dataclass(frozen=True)
class ProfileFit:
    """A fitted profile and the small motion of the tyre frame that belongs to it.

    Args:
        profile: Profile in the new frame.
        rotation: ``(3, 3)``; ``p_new = rotation.T @ (p_old - shift)``.
        shift: ``(3,)`` metres in the old frame.
        residual_px: Median distance between outlines and the fit, pixels.
        outliers: Indices of frames whose masks lack a part of the tyre.
        support: ``(KNOTS,)`` points of outlines that touch the profile in each direction.
    """

    profile: Profile
    rotation: FloatArray
    shift: FloatArray
    residual_px: float
    outliers: tuple[int, ...]
    support: NDArray[np.int64]

    def touched(self, r: FloatArray, z: FloatArray) -> NDArray[np.bool_]:
        """Whether outlines touch the outward surface in the directions of points.

        Elsewhere the profile is interpolated between its neighbours.

        Args:
            r: Radius in metres.
            z: Height in metres, of the same shape.
        """
        _, _, _, knot, _ = self.profile._evaluate(r, z)
        turn = (knot + 0.5) * (2 * math.pi / KNOTS)
        known = np.minimum(self.support, np.roll(self.support, -1)) >= MIN_SUPPORT
        return np.asarray((np.cos(turn) > MIN_OUTWARD_COSINE) & known[knot])


def rounded_profile(radius: float, half_width: float) -> Profile:
    """A rounded rectangle (superellipse) as a first guess."""
    core = radius - 0.5 * min(half_width, 0.5 * radius)
    phi = np.arange(KNOTS) * (2 * math.pi / KNOTS)
    c, s = np.cos(phi), np.sin(phi)
    across = np.where(c > 0, radius - core, core)
    lengths = (np.abs(c / across) ** 4 + np.abs(s / half_width) ** 4) ** -0.25
    return Profile(core, np.asarray(lengths))


def _outline_rays(view: View, count: int) -> tuple[FloatArray, FloatArray, float]:
    """Origin, directions of evenly spaced points of the outline, metres per pixel at the tyre."""
    height, width = view.mask.shape
    padded = np.pad(view.signed, 1, mode="edge")
    contours = find_contours(padded, 0.0)  # type: ignore[no-untyped-call]
    if not contours:
        return view.camera.centre, np.empty((0, 3)), 1.0
    contour = max(contours, key=len)
    pixels = contour[:, ::-1] - 0.5  # of the padded array (row, column) to pixel coordinates
    pixels = pixels[:: max(1, len(pixels) // count)]
    inside = (
        (pixels[:, 0] > 2)
        & (pixels[:, 0] < width - 2)
        & (pixels[:, 1] > 2)
        & (pixels[:, 1] < height - 2)
    )
    depth = float(view.camera.translation[2])
    return view.camera.centre, view.camera.rays(pixels[inside]), depth / view.camera.fx


def fit_profile(
    views: Sequence[View],
    radius: float,
    half_width: float,
    *,
    iterations: int = 10,
    rays: int = 3600,
    shift_std_m: float = 0.02,
    tilt_std_rad: float = 0.05,
) -> ProfileFit:
    """Fit profile, axle and centre to the outlines.

    Args:
        views: Posed frames in the tyre frame.
        radius: First estimate in metres.
        half_width: First estimate in metres.
        iterations: Number of Gauss-Newton steps.
        rays: Number of points of all outlines together.
        shift_std_m: Prior standard deviation of the centre, metres.
        tilt_std_rad: Prior standard deviation of the axle's tilt, radians.
    """
    bundles = [_outline_rays(v, max(48, rays // max(1, len(views)))) for v in views]
    origins = np.concatenate([np.repeat(o[None], len(d), axis=0) for o, d, _ in bundles])
    directions = np.concatenate([d for _, d, _ in bundles])
    pixel = np.concatenate([np.full(len(d), p) for _, d, p in bundles])
    owner = np.concatenate([np.full(len(d), i) for i, (_, d, _) in enumerate(bundles)])
    profile = rounded_profile(radius, half_width)
    start = profile.lengths.copy()
    rotation, shift = np.eye(3), np.zeros(3)
    if len(directions) < 8 * KNOTS:
        return ProfileFit(profile, rotation, shift, math.inf, (), np.zeros(KNOTS, np.int64))
    reach = 1.5 * math.hypot(radius, half_width)
    steps = np.linspace(-reach, reach, 64)
    residual = np.zeros(len(directions))
    for step in range(iterations):
        o = (origins - shift) @ rotation
        d = directions @ rotation
        residual, point, normal, knot, share = _closest(profile, o, d, steps)
        scale = max(float(np.median(np.abs(residual / pixel))) * 1.5, 1.0) * pixel
        if step < 3:
            scale = np.maximum(scale, 0.03 * radius)
        weight = 1.0 / (scale**2 * (1.0 + (residual / (2.0 * scale)) ** 2) ** 2)
        jac = np.zeros((len(residual), KNOTS + 5))
        rows = np.arange(len(residual))
        slant = normal[:, 3]
        jac[rows, knot] = -(1 - share) * slant
        jac[rows, (knot + 1) % KNOTS] -= share * slant
        jac[:, KNOTS : KNOTS + 3] = -normal[:, :3]
        turn = np.cross(point, normal[:, :3])
        jac[:, KNOTS + 3 :] = -turn[:, :2]
        a = (jac * weight[:, None]).T @ jac
        b = -(jac * weight[:, None]).T @ residual
        a, b = _regularise(
            a,
            b,
            profile.lengths,
            start,
            float(np.median(pixel)),
            shift,
            rotation,
            shift_std_m,
            tilt_std_rad,
        )
        x = np.linalg.solve(a, b)
        lengths = np.clip(profile.lengths + np.clip(x[:KNOTS], -0.05, 0.05), 0.02 * radius, None)
        profile = Profile(profile.core, lengths)
        shift = shift + rotation @ x[KNOTS : KNOTS + 3]
        rotation = rotation @ Rotation.from_rotvec([x[KNOTS + 3], x[KNOTS + 4], 0.0]).as_matrix()
    # a mask that lacks a part of the tyre would carve it away; a shadow's remnant does no harm
    missing = residual < -np.maximum(4.0 * pixel, 0.02 * radius)
    share = np.bincount(owner, missing, len(views)) / np.maximum(
        np.bincount(owner, None, len(views)), 1
    )
    outliers = tuple(v.index for v, s in zip(views, share, strict=True) if s > MAX_INSIDE_SHARE)
    low, high = profile.extent
    return ProfileFit(
        _recentred(profile, 0.5 * (low + high)),
        rotation,
        shift + rotation @ np.array([0.0, 0.0, 0.5 * (low + high)]),
        float(np.median(np.abs(residual / pixel))),
        outliers,
        np.bincount(knot[np.abs(residual) < 3.0 * pixel], minlength=KNOTS),
    )


def _closest(
    profile: Profile, o: FloatArray, d: FloatArray, steps: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64], FloatArray]:
    """Per ray: least distance (positive outside), its point, normal and slant, knot, share."""
    middle = -np.einsum("ij,ij->i", o, d)
    t = middle[:, None] + steps[None]
    p = o[:, None] + t[..., None] * d[:, None]
    distance = -profile.signed(np.hypot(p[..., 0], p[..., 1]), p[..., 2])
    best = np.clip(distance.argmin(axis=1), 1, len(steps) - 2)
    rows = np.arange(len(o))
    left, mid, right = (distance[rows, best + k] for k in (-1, 0, 1))
    curve = left - 2 * mid + right
    offset = np.where(curve > 1e-12, 0.5 * (left - right) / np.maximum(curve, 1e-12), 0.0)
    tb = middle + steps[best] + np.clip(offset, -1, 1) * (steps[1] - steps[0])
    point = o + tb[:, None] * d
    r = np.maximum(np.hypot(point[:, 0], point[:, 1]), 1e-6)
    value, slope, rho, knot, share = profile._evaluate(r, point[:, 2])
    rho = np.maximum(rho, 1e-6)
    er, ez = (r - profile.core) / rho, point[:, 2] / rho
    gr, gz = er + slope / rho * ez, ez - slope / rho * er
    length = np.hypot(gr, gz)
    normal = np.stack(
        [gr / length * point[:, 0] / r, gr / length * point[:, 1] / r, gz / length, 1.0 / length],
        axis=1,
    )
    return value / length, point, normal, knot, share


def _regularise(
    a: FloatArray,
    b: FloatArray,
    lengths: FloatArray,
    start: FloatArray,
    pixel: float,
    shift: FloatArray,
    rotation: FloatArray,
    shift_std: float,
    tilt_std: float,
) -> tuple[FloatArray, FloatArray]:
    """Add weak priors: a smooth, symmetric profile near the start, a small motion."""
    a, b = a.copy(), b.copy()
    mirror = (-np.arange(KNOTS)) % KNOTS

    def add_prior(row: FloatArray, value: float, std: float) -> None:
        a[:KNOTS, :KNOTS] += np.outer(row, row) / std**2
        b[:KNOTS] += row * (value / std**2)

    change = lengths - start
    for k in range(KNOTS):
        row = np.zeros(KNOTS)
        row[[k - 1, (k + 1) % KNOTS]] = 0.5
        row[k] -= 1.0
        add_prior(row, -float(row @ change), 2.0 * pixel)
        row = np.zeros(KNOTS)
        row[k] += 1.0
        row[mirror[k]] -= 1.0
        if mirror[k] != k:
            add_prior(row, -float(row @ lengths), 6.0 * pixel)
        row = np.zeros(KNOTS)
        row[k] = 1.0
        add_prior(row, -float(change[k]), 60.0 * pixel)
    a[KNOTS : KNOTS + 3, KNOTS : KNOTS + 3] += np.eye(3) / shift_std**2
    b[KNOTS : KNOTS + 3] -= rotation.T @ shift / shift_std**2
    tilt = Rotation.from_matrix(rotation).as_rotvec()[:2]
    a[KNOTS + 3 :, KNOTS + 3 :] += np.eye(2) / tilt_std**2
    b[KNOTS + 3 :] -= tilt / tilt_std**2
    return a, b


def _recentred(profile: Profile, z_shift: float) -> Profile:
    """The same curve with the origin moved along the axle."""
    if abs(z_shift) < 1e-9:
        return profile
    phi = np.arange(KNOTS) * (2 * math.pi / KNOTS)
    curve = profile.curve(4 * 720)
    dr, dz = curve[:, 0] - profile.core, curve[:, 1] - z_shift
    angle = np.arctan2(dz, dr) % (2 * math.pi)
    order = np.argsort(angle)
    lengths = np.interp(phi, angle[order], np.hypot(dr, dz)[order], period=2 * math.pi)
    return Profile(profile.core, lengths)
