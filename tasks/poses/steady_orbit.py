"""A camera that goes round a standing tyre, without structure from motion.

The outline of a standing tyre seen from above the axle is a tilted, thick ellipse: its axis ratio
gives the angle between view and axle, its tilt the side, so a whole sequence gives azimuth, rate
and elevation. How far the tyre has turned about its axle cannot be seen; gravity gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera, look_at
from tasks.poses.fit_solid import refine_solid
from tasks.poses.outline import Outline
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views

FloatArray = NDArray[np.float64]

_SWEEPS = 2 * np.pi * np.array([-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0])
_SWEEP_RANGE = (1.0, 7.0)
"""Radians: who films a tyre goes some way around it, and hardly more than once."""


@dataclass(frozen=True)
class SteadyMotion:
    """Cameras in the tyre frame (radius 1, axle +z, up +y) and the solid seen by them.

    Args:
        cameras: Cameras by frame index.
        solid: The tyre, centred near the origin.
        sweep_deg: Angle from the first frame to the last, signed.
        measured: Whether the angle was measured, not assumed.
    """

    cameras: dict[int, Camera]
    solid: Solid
    sweep_deg: float
    measured: bool


def steady_orbit(
    outlines: Mapping[int, Outline], times_s: Mapping[int, float], fov_deg: float
) -> SteadyMotion:
    """A camera that moves round a standing tyre, each frame's pose refined from its outline."""
    indices, phase = phases(outlines, times_s)
    stack = [outlines[i] for i in indices]
    few = np.unique(np.linspace(0, len(indices) - 1, 12).astype(np.intp))
    x = fit_path([stack[i] for i in few], phase[few], fov_deg, sweeps=_SWEEPS)
    x = fit_path(stack, phase, fov_deg, start=x)
    solid = plain_solid(x)
    poses = [pose_on_path(x, t, o, fov_deg) for t, o in zip(phase, stack, strict=True)]
    cameras: list[Camera] = []
    for _ in range(2):
        poses = [refine_pose(p, x[1], solid, o, fov_deg) for p, o in zip(poses, stack, strict=True)]
        cameras = [camera_of_pose(p, o, fov_deg) for p, o in zip(poses, stack, strict=True)]
        solid = refine_solid(Views(cameras, stack), solid)
    sweep = float(np.degrees(x[0]))
    return SteadyMotion(dict(zip(indices, cameras, strict=True)), solid, sweep, True)


def phases(
    outlines: Mapping[int, Outline], times_s: Mapping[int, float]
) -> tuple[list[int], FloatArray]:
    """Frames in order and their time, 0 at the first and 1 at the last."""
    indices = sorted(outlines)
    t = np.array([times_s[i] for i in indices], dtype=np.float64)
    if t[-1] <= t[0]:
        t = np.arange(len(indices), dtype=np.float64)
    return indices, (t - t[0]) / max(t[-1] - t[0], 1e-9)


def fit_path(
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
            camera_of_pose(pose_on_path(x, t, o, fov_deg), o, fov_deg)
            for t, o in zip(phase, outlines, strict=True)
        ]
        views = Views(cameras, outlines)
        seen, known = _relative_widths(views.support[:, ::2], views.valid[:, ::2])
        misfit = 100.0 * (_relative_widths(views.supports(plain_solid(x), 2), known)[0] - seen)
        prior = np.concatenate(
            [[(x[3] - np.log(0.42)) / 0.5], (x[4:] - TYPICAL_FALLS) / TYPICAL_FALLS]
        )
        return np.concatenate([misfit.ravel(), 0.02 * np.sqrt(misfit.size) * prior])

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
    """Extents ``(N, D / 2)`` by direction over their mean: independent of position and scale.

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


def plain_solid(x: FloatArray) -> Solid:
    """The solid of a path's parameters: radius 1 about +z, both sides alike."""
    falls = np.asarray(x[4:])
    return Solid(
        np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, float(np.exp(x[3])), np.stack([falls, falls])
    )


def _focal(outline: Outline, fov_deg: float) -> float:
    return 0.5 * max(outline.width, outline.height) / float(np.tan(np.radians(fov_deg) / 2))


def pose_on_path(x: FloatArray, phase: float, outline: Outline, fov_deg: float) -> FloatArray:
    """Azimuth, elevation, roll, log distance and aim (pixels of the tyre's centre): ``(6,)``."""
    ratio = 2.0 * _focal(outline, fov_deg) / outline.size
    distance = float(np.sqrt(ratio**2 + 1.0))
    return np.array([x[2] + x[0] * phase, x[1], 0.0, np.log(distance), *outline.centre])


def camera_of_pose(pose: FloatArray, outline: Outline, fov_deg: float) -> Camera:
    """The camera of a pose as :func:`pose_on_path` gives it."""
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


def refine_pose(
    pose: FloatArray, elevation: float, solid: Solid, outline: Outline, fov_deg: float
) -> FloatArray:
    """One frame's pose from its outline, with a prior that keeps it near the path."""
    rough = Views([camera_of_pose(pose, outline, fov_deg)], [outline])
    half = rough.support.shape[1] // 2
    model = rough.supports(solid)[0]
    pose = pose.copy()
    pose[3] += float(np.log(np.mean(model[:half] + model[half:]) / outline.widths.mean()))
    std = np.array([0.25, 0.08, 0.04, 0.1, 0.1 * outline.size, 0.1 * outline.size])
    centre = pose.copy()
    centre[1], centre[2] = elevation, 0.0

    def errors(step: FloatArray) -> FloatArray:
        now = pose + step * std
        r = Views([camera_of_pose(now, outline, fov_deg)], [outline]).residuals(solid, 2)
        return np.concatenate([r.ravel(), (now - centre) / std])

    found = least_squares(errors, np.zeros(6), loss="soft_l1", f_scale=1.0, max_nfev=15)
    return np.asarray(pose + found.x * std)
