"""Cameras without structure from motion: a steady motion, told by outlines alone.

The outline of a standing tyre seen from above the axle is a tilted, thick ellipse: its axis ratio
gives the angle between view and axle, its tilt the side, so a whole sequence gives azimuth, rate
and elevation. Only how far the tyre has turned about its own axle cannot be seen; for a standing
tyre gravity gives it, for a spinning one the motion of its texture, and failing that the rate is
taken as one turn per video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from tasks.camera import Camera, look_at
from tasks.poses.outline import Outline
from tasks.poses.sfm import Matches
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views, refine_solid

FloatArray = NDArray[np.float64]

_SWEEPS = 2 * np.pi * np.array([-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0])
_SWEEP_RANGE = (1.0, 7.0)
"""Radians: who films a tyre goes some way around it, and hardly more than once."""

_CLOSES = 0.06
"""A measured turn this near to a whole one is taken as whole."""

_MIN_TURNED_POINTS = 8


@dataclass(frozen=True)
class SteadyMotion:
    """Cameras in the tyre frame (radius 1, axle +z, up +y) and the solid seen by them.

    Args:
        cameras: By frame.
        solid: Centred near the origin.
        sweep_deg: Angle from the first frame to the last, signed.
        measured: The angle was measured, not assumed.
    """

    cameras: dict[int, Camera]
    solid: Solid
    sweep_deg: float
    measured: bool


def steady_orbit(
    outlines: Mapping[int, Outline], times_s: Mapping[int, float], fov_deg: float
) -> SteadyMotion:
    """A camera that moves round a standing tyre, each frame's pose refined from its outline."""
    indices, phase = _phases(outlines, times_s)
    stack = [outlines[i] for i in indices]
    few = np.unique(np.linspace(0, len(indices) - 1, 12).astype(np.intp))
    x = _fit_path([stack[i] for i in few], phase[few], fov_deg, sweeps=_SWEEPS)
    x = _fit_path(stack, phase, fov_deg, start=x)
    solid = _plain_solid(x)
    poses = [_pose_on_path(x, t, o, fov_deg) for t, o in zip(phase, stack, strict=True)]
    cameras: list[Camera] = []
    for _ in range(2):
        poses = [
            _refine_pose(p, x[1], solid, o, fov_deg) for p, o in zip(poses, stack, strict=True)
        ]
        cameras = [_camera(p, o, fov_deg) for p, o in zip(poses, stack, strict=True)]
        solid = refine_solid(Views(cameras, stack), solid)
    sweep = float(np.degrees(x[0]))
    return SteadyMotion(dict(zip(indices, cameras, strict=True)), solid, sweep, True)


def steady_spin(
    outlines: Mapping[int, Outline],
    times_s: Mapping[int, float],
    matches: Sequence[Matches],
    fov_deg: float,
) -> SteadyMotion:
    """A tyre that turns about its own axle before a fixed camera.

    Args:
        outlines: By frame; all alike.
        times_s: By frame.
        matches: Of neighbouring frames, on the tyre; they give the angle where there are enough.
        fov_deg: Assumed field of view of the longest side.
    """
    indices, phase = _phases(outlines, times_s)
    typical = _median_outline([outlines[i] for i in indices])
    # Seen from afar, an outline does not tell from which side the face is seen: try both. Where
    # the face turns about tells, and failing that the better fit.
    sides = [
        _turn_seen_from(side, typical, indices, phase, matches, fov_deg) for side in (-1.0, 1.0)
    ]
    best = min(sides, key=lambda t: (not t.measured, t.off_centre if t.measured else t.misfit))
    fixed, solid, angles, measured = best.camera, best.solid, best.angles, best.measured
    cameras = {}
    for i, angle in zip(indices, angles, strict=True):
        turned = Rotation.from_rotvec(angle * solid.axle).as_matrix()
        about = fixed.rotation @ (solid.centre - turned @ solid.centre)
        cameras[i] = Camera(
            fixed.fx,
            fixed.fy,
            fixed.cx,
            fixed.cy,
            fixed.width,
            fixed.height,
            fixed.rotation @ turned,
            fixed.translation + about,
        )
    return SteadyMotion(cameras, solid, float(np.degrees(angles[-1])), measured)


@dataclass(frozen=True)
class _Turn:
    """A fixed camera with the solid it sees and the angles turned, and how well they fit."""

    camera: Camera
    solid: Solid
    angles: FloatArray
    measured: bool
    off_centre: float
    misfit: float


def _turn_seen_from(
    side: float,
    typical: Outline,
    indices: list[int],
    phase: FloatArray,
    matches: Sequence[Matches],
    fov_deg: float,
) -> _Turn:
    """The spinning tyre seen from the left (-1) or the right (1) of its axle."""
    x = _fit_path([typical], np.zeros(1), fov_deg, sweeps=np.zeros(1), side=side)
    solid = _plain_solid(x)
    pose = _refine_pose(
        _pose_on_path(x, 0.0, typical, fov_deg), float(x[1]), solid, typical, fov_deg
    )
    camera = _camera(pose, typical, fov_deg)
    views = Views([camera], [typical])
    solid = refine_solid(views, solid)
    angles, measured, off_centre = _angles_turned(indices, phase, matches, camera, solid)
    misfit = float(np.abs(views.residuals(solid)).mean())
    return _Turn(camera, solid, angles, measured, off_centre, misfit)


def outlines_alike(outlines: Mapping[int, Outline]) -> bool:
    """Whether all frames show the same outline, as a tyre does that spins on its axle."""
    shapes = np.stack([o.widths / o.size for o in outlines.values()])
    return float(np.median(shapes.std(axis=0))) < 0.02


def _phases(
    outlines: Mapping[int, Outline], times_s: Mapping[int, float]
) -> tuple[list[int], FloatArray]:
    """Frames in order and their time, 0 at the first and 1 at the last."""
    indices = sorted(outlines)
    t = np.array([times_s[i] for i in indices], dtype=np.float64)
    if t[-1] <= t[0]:
        t = np.arange(len(indices), dtype=np.float64)
    return indices, (t - t[0]) / max(t[-1] - t[0], 1e-9)


def _fit_path(
    outlines: Sequence[Outline],
    phase: FloatArray,
    fov_deg: float,
    *,
    sweeps: FloatArray | None = None,
    start: FloatArray | None = None,
    side: float = 0.0,
) -> FloatArray:
    """Sweep, elevation, first azimuth, log(half width / radius), falls: ``(4 + K,)``.

    ``side`` keeps the first azimuth on one side of the axle (0: anywhere).
    """

    def errors(x: FloatArray) -> FloatArray:
        cameras = [
            _camera(_pose_on_path(x, t, o, fov_deg), o, fov_deg)
            for t, o in zip(phase, outlines, strict=True)
        ]
        views = Views(cameras, outlines)
        seen, known = _relative_widths(views.support[:, ::2], views.valid[:, ::2])
        even = 100.0 * (_relative_widths(views.supports(_plain_solid(x), 2), known)[0] - seen)
        prior = np.concatenate(
            [[(x[3] - np.log(0.42)) / 0.5], (x[4:] - TYPICAL_FALLS) / TYPICAL_FALLS]
        )
        return np.concatenate([even.ravel(), 0.02 * np.sqrt(even.size) * prior])

    starts: list[FloatArray] = []
    if start is not None:
        starts = [start]
    elif sweeps is not None:
        tried = [
            np.concatenate([[sweep, elevation, azimuth, np.log(0.42)], TYPICAL_FALLS])
            for sweep in sweeps
            for elevation in (0.14, 0.45)
            for azimuth in np.arange(-7, 8, 2) * np.pi / 16
            if azimuth * side >= 0
        ]
        tried.sort(key=lambda x: float(np.mean(np.log1p((errors(x) / 3.0) ** 2))))
        starts = tried[:5]
    found = [
        least_squares(
            errors,
            x,
            bounds=_bounds(float(x[0]), side),
            loss="soft_l1",
            f_scale=1.0,
            x_scale="jac",
            max_nfev=25,
        )
        for x in starts
    ]
    return np.asarray(min(found, key=lambda f: float(f.cost)).x)


def _relative_widths(
    support: FloatArray, valid: NDArray[np.bool_]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Extents ``(N, D / 2)`` by direction over their mean: blind to place and scale.

    Where an extent is cut off it is 0; the second value is where both ends are valid, ``(N, D)``.
    """
    half = support.shape[1] // 2
    both = valid[:, :half] & valid[:, half:]
    widths = np.where(both, support[:, :half] + support[:, half:], 0.0)
    mean = widths.sum(axis=1, keepdims=True) / np.maximum(both.sum(axis=1, keepdims=True), 1)
    return widths / np.maximum(mean, 1e-9), np.concatenate([both, both], axis=1)


def _bounds(sweep: float, side: float) -> tuple[FloatArray, FloatArray]:
    """Least and largest parameters of a path in the direction of a sweep."""
    azimuth = {1.0: (0.0, 1.6), -1.0: (-1.6, 0.0)}.get(side, (-10.0, 10.0))
    falls = np.zeros(len(TYPICAL_FALLS))
    turn = {1.0: _SWEEP_RANGE, -1.0: (-_SWEEP_RANGE[1], -_SWEEP_RANGE[0])}.get(
        float(np.sign(sweep)), (-0.01, 0.01)
    )
    low = np.concatenate([[turn[0], 0.0, azimuth[0], -2.5], falls])
    high = np.concatenate([[turn[1], 1.2, azimuth[1], 0.4], falls + 0.15])
    return low, high


def _plain_solid(x: FloatArray) -> Solid:
    falls = np.asarray(x[4:])
    return Solid(
        np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, float(np.exp(x[3])), np.stack([falls, falls])
    )


def _focal(outline: Outline, fov_deg: float) -> float:
    return 0.5 * max(outline.width, outline.height) / float(np.tan(np.radians(fov_deg) / 2))


def _pose_on_path(x: FloatArray, phase: float, outline: Outline, fov_deg: float) -> FloatArray:
    """Azimuth, elevation, roll, log distance and aim (pixels of the tyre's centre): ``(6,)``."""
    ratio = 2.0 * _focal(outline, fov_deg) / outline.size
    distance = float(np.sqrt(ratio**2 + 1.0))
    return np.array([x[2] + x[0] * phase, x[1], 0.0, np.log(distance), *outline.centre])


def _camera(pose: FloatArray, outline: Outline, fov_deg: float) -> Camera:
    azimuth, elevation, roll, log_distance = (float(v) for v in pose[:4])
    focal = _focal(outline, fov_deg)
    eye = np.exp(log_distance) * np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
    )
    straight = look_at(
        eye,
        np.zeros(3),
        focal_px=focal,
        width=outline.width,
        height=outline.height,
        roll_rad=roll,
    )
    aim = np.array([pose[4] - straight.cx, pose[5] - straight.cy, focal])
    aim /= np.linalg.norm(aim)
    axis = np.cross([0.0, 0.0, 1.0], aim)
    sine = float(np.linalg.norm(axis))
    tilt = Rotation.from_rotvec(axis / max(sine, 1e-12) * np.arcsin(min(sine, 1.0))).as_matrix()
    rotation = tilt @ straight.rotation
    return Camera(
        focal,
        focal,
        straight.cx,
        straight.cy,
        outline.width,
        outline.height,
        rotation,
        -rotation @ eye,
    )


def _refine_pose(
    pose: FloatArray, elevation: float, solid: Solid, outline: Outline, fov_deg: float
) -> FloatArray:
    """One frame's pose from its outline, held near the path."""
    rough = Views([_camera(pose, outline, fov_deg)], [outline])
    half = rough.support.shape[1] // 2
    model = rough.supports(solid)[0]
    pose = pose.copy()
    pose[3] += float(np.log(np.mean(model[:half] + model[half:]) / outline.widths.mean()))
    spread = np.array([0.25, 0.08, 0.04, 0.1, 0.1 * outline.size, 0.1 * outline.size])
    centre = pose.copy()
    centre[1], centre[2] = elevation, 0.0

    def errors(step: FloatArray) -> FloatArray:
        now = pose + step * spread
        r = Views([_camera(now, outline, fov_deg)], [outline]).residuals(solid, 2)
        return np.concatenate([r.ravel(), (now - centre) / spread])

    found = least_squares(errors, np.zeros(6), loss="soft_l1", f_scale=1.0, max_nfev=15)
    return np.asarray(pose + found.x * spread)


def _median_outline(outlines: Sequence[Outline]) -> Outline:
    """The outline whose support is the median over frames in each direction."""
    support = np.median(np.stack([o.support for o in outlines]), axis=0)
    valid = np.mean(np.stack([o.valid for o in outlines]), axis=0) > 0.5
    likest = min(outlines, key=lambda o: float(np.abs(o.support - support).sum()))
    return Outline(likest.hull, support, valid, likest.width, likest.height)


def _angles_turned(
    indices: list[int],
    phase: FloatArray,
    matches: Sequence[Matches],
    camera: Camera,
    solid: Solid,
) -> tuple[FloatArray, bool, float]:
    """How far the tyre has turned in each frame (radians), and whether this was measured.

    The last value is how far from the axle the face turned about, in radii.
    """
    steps: dict[tuple[int, int], float] = {}
    pivots: list[FloatArray] = []
    for m in matches:
        a, b = _on_face(m.a, camera, solid), _on_face(m.b, camera, solid)
        seen = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
        seen &= np.linalg.norm(m.b - m.a, axis=1) > 1.0  # reflections and what shines through
        if seen.sum() < _MIN_TURNED_POINTS:
            continue
        # The angle of a turn in the plane does not depend on where its centre lies.
        map_ab, agree = cv2.estimateAffinePartial2D(
            a[seen], b[seen], method=cv2.RANSAC, ransacReprojThreshold=0.03
        )
        if map_ab is None or agree.sum() < max(_MIN_TURNED_POINTS, 0.3 * seen.sum()):
            continue
        angle = float(np.arctan2(map_ab[1, 0], map_ab[0, 0]))
        if abs(angle) > 0.01:
            steps[(m.first, m.second)] = angle
            pivots.append(np.linalg.solve(np.eye(2) - map_ab[:, :2], map_ab[:, 2]))
    neighbours = list(pairwise(indices))
    known = [steps[pair] for pair in neighbours if pair in steps]
    if len(known) < 0.5 * len(neighbours):
        return 2.0 * np.pi * phase * (len(indices) - 1) / len(indices), False, np.inf
    usual = float(np.median(known))
    moves = [steps.get(pair, usual) for pair in neighbours]
    off_centre = float(np.linalg.norm(np.median(np.stack(pivots), axis=0)))
    angles = np.concatenate([[0.0], np.cumsum(moves)])
    whole = 2.0 * np.pi * (len(indices) - 1) / len(indices)
    if abs(abs(angles[-1]) - whole) < _CLOSES * whole:
        angles *= whole / abs(angles[-1])
    return angles, True, off_centre


def _on_face(pixels: FloatArray, camera: Camera, solid: Solid) -> FloatArray:
    """Pixels ``(N, 2)`` on the plane of the nearer face, in radii from the axle; NaN off the face.

    The axes are right-handed about the axle.
    """
    side = np.sign((camera.centre - solid.centre) @ solid.axle) or 1.0
    face = solid.centre + side * solid.half_width * solid.axle
    rays = camera.rays(pixels)
    t = ((face - camera.centre) @ solid.axle) / (rays @ solid.axle)
    from_axle = (camera.centre + t[:, None] * rays - face) / solid.radius
    e1 = np.cross(solid.axle, np.eye(3)[np.abs(solid.axle).argmin()])
    e1 /= np.linalg.norm(e1)
    at = np.stack([from_axle @ e1, from_axle @ np.cross(solid.axle, e1)], axis=1)
    return np.where(np.linalg.norm(at, axis=1, keepdims=True) < 0.95, at, np.nan)
