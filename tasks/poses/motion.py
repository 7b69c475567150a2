"""What moved in the video: the camera, or the tyre before a still background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.camera import Camera
from tasks.poses.outline import Outline
from tasks.poses.sfm import Matches
from tasks.records import Motion

FloatArray = NDArray[np.float64]
Background = Literal["moving", "still", "unknown"]

STILL_SHARE_OF_WIDTH = 0.004
"""A background whose features move less than this share of the image's width stands still."""

MIN_BACKGROUND_MATCHES = 12
"""Fewer matches outside the masks (median over pairs) say nothing."""


def background_motion(matches: Sequence[Matches], outlines: Mapping[int, Outline]) -> Background:
    """Whether what lies outside the tyre's hull moves between frames some steps apart."""
    counts: list[int] = []
    shifts: list[float] = []
    for m in matches:
        if m.first not in outlines or m.second not in outlines:
            continue
        outside = _outside(outlines[m.first], m.a) & _outside(outlines[m.second], m.b)
        counts.append(int(outside.sum()))
        if counts[-1] >= MIN_BACKGROUND_MATCHES:
            shift = np.linalg.norm(m.a[outside] - m.b[outside], axis=1)
            shifts.append(float(np.median(shift)) / outlines[m.first].width)
    if not counts or len(shifts) < max(2, len(counts) // 4):
        return "unknown"
    return "still" if float(np.median(shifts)) < STILL_SHARE_OF_WIDTH else "moving"


def _outside(outline: Outline, points: FloatArray) -> NDArray[np.bool_]:
    """``(N,)`` true for pixels farther from the hull than 4 % of its size."""
    hull = outline.hull.astype(np.float32).reshape(-1, 1, 2)
    margin = 0.04 * outline.size
    return np.array(
        [cv2.pointPolygonTest(hull, (float(x), float(y)), True) < -margin for x, y in points],
        dtype=bool,
    )


def turning_axis(cameras: Sequence[Camera]) -> tuple[FloatArray, float]:
    """The world axis ``(3,)`` that the cameras turn about, and how exclusively (1 = only)."""
    n = len(cameras)
    turns = []
    for step in {1, 2, 3, max(1, n // 8), max(1, n // 4)}:
        for a, b in zip(cameras, cameras[step:], strict=False):
            turns.append(Rotation.from_matrix(b.rotation.T @ a.rotation).as_rotvec())
    w = np.array(turns)
    values, vectors = np.linalg.eigh(w.T @ w)
    return vectors[:, -1], float(values[-1] / max(values.sum(), 1e-12))


def arc_deg(cameras: Sequence[Camera], centre: FloatArray) -> float:
    """Largest angle between two cameras, seen from the tyre, in degrees."""
    d = np.stack([c.centre - centre for c in cameras])
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((d @ d.T).min(), -1.0, 1.0))))


def name_motion(
    cameras: Sequence[Camera], centre: FloatArray, axle: FloatArray, up: FloatArray, *, still: bool
) -> Motion:
    """Spin, orbit or free, from the cameras' path around the tyre.

    Args:
        cameras: In the order of time.
        centre: ``(3,)`` of the tyre.
        axle: ``(3,)`` of the tyre.
        up: ``(3,)`` of the world.
        still: The background did not move.
    """
    axis, share = turning_axis(cameras)
    if still and abs(axis @ axle) > np.cos(np.radians(20.0)):
        return "spin"
    away = np.stack([c.centre - centre for c in cameras])
    distance = np.linalg.norm(away, axis=1)
    elevation = np.degrees(np.arcsin(np.clip(away @ up / distance, -1.0, 1.0)))
    steady = distance.std() < 0.12 * distance.mean() and elevation.std() < 6.0
    return "orbit" if steady and share > 0.8 else "free"


def world_up(cameras: Sequence[Camera]) -> FloatArray:
    """Up of the world ``(3,)`` for a phone held without roll: orthogonal to all images' rows."""
    rows = np.stack([c.rotation[0] for c in cameras])
    mean = -np.stack([c.rotation[1] for c in cameras]).mean(axis=0)
    mean /= max(float(np.linalg.norm(mean)), 1e-12)
    spread = rows.T @ rows / len(rows) + 0.05 * (np.eye(3) - np.outer(mean, mean))
    up = np.linalg.eigh(spread)[1][:, 0]
    return np.asarray(up if up @ mean > 0 else -up)
