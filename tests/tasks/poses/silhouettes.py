"""Silhouettes of known tyres, and of what stands beside them, in known cameras."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.sphere import tangents
from tasks.poses.outline import Outline, outline_of_mask
from tasks.poses.solid import Solid

FloatArray = NDArray[np.float64]

RADIUS, HALF_WIDTH = 0.36, 0.17
CENTRE = np.array([0.05, -0.1, 0.02])
AXLE = np.array([0.55, 0.02, 0.83]) / np.linalg.norm([0.55, 0.02, 0.83])


def tyre_points(half_width: float = HALF_WIDTH, centre: FloatArray = CENTRE) -> FloatArray:
    """Surface points of a tyre with round shoulders, a profile that the fit does not know."""
    e1, e2 = tangents(AXLE)
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)[:, None]
    rings = []
    for u in np.linspace(-1, 1, 41):
        r = RADIUS * (1 - 0.12 * abs(u) ** 4 - 0.03 * u * u)
        rings.append(centre + u * half_width * AXLE + r * (np.cos(angle) * e1 + np.sin(angle) * e2))
    return np.concatenate(rings)


def box(low: Sequence[float], high: Sequence[float]) -> FloatArray:
    """The corners of a box that is given from the tyre's centre."""
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    return np.asarray(CENTRE + corners)


def stand(half_width: float = HALF_WIDTH) -> list[FloatArray]:
    """Two blocks that hold the tyre, on a plank: a good half of its diameter wide and high."""
    deep = 0.7 * half_width + 0.02
    return [
        box((-0.29, -0.61, -deep), (-0.2, -0.29, deep)),
        box((0.2, -0.61, -deep), (0.29, -0.29, deep)),
        box((-0.32, -0.61, -0.9 * half_width), (0.32, -0.51, 0.9 * half_width)),
    ]


def post(half_width: float = HALF_WIDTH) -> list[FloatArray]:
    """A post behind the tyre, which leans on it."""
    x, _, z = -(half_width + 0.07) * AXLE
    return [box((x - 0.06, -RADIUS, z - 0.06), (x + 0.06, 2.0 * RADIUS, z + 0.06))]


def bucket() -> list[FloatArray]:
    """A bucket that the tyre hides a part of."""
    return [box((0.3, -0.36, -0.05), (0.56, -0.06, 0.2))]


def cameras_around(count: int, arc_deg: float) -> list[Camera]:
    """Cameras on an uneven arc around the tyre."""
    cameras = []
    for i in range(count):
        turn, rise = np.radians(arc_deg) * i / count + 1, np.radians(20 + 10 * np.sin(i))
        ring = np.array([np.cos(turn) * np.cos(rise), np.sin(rise), np.sin(turn) * np.cos(rise)])
        target = CENTRE + 0.02 * np.array([np.sin(3.0 * i), np.cos(5.0 * i), 0.0])
        cameras.append(look_at(CENTRE + 1.6 * ring, target, focal_px=600, width=640, height=480))
    return cameras


def mask_of(camera: Camera, *bodies: FloatArray) -> NDArray[np.uint8]:
    """The silhouette of convex bodies, each given by points, anti-aliased."""
    fine = np.zeros((camera.height * 4, camera.width * 4), np.uint8)
    for points in bodies:
        pixels = ((camera.project(points)[:, :2] * 4 - 0.5) * 16).round().astype(np.int32)
        cv2.fillConvexPoly(fine, cv2.convexHull(pixels), 255, cv2.LINE_8, 4)
    small = cv2.resize(fine, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def outline(mask: NDArray[np.uint8]) -> Outline:
    """The outline of a mask that has one."""
    found = outline_of_mask(mask)
    assert found is not None
    return found


def axle_error_deg(solid: Solid) -> float:
    """Angle between a solid's axle and the tyre's."""
    return float(np.degrees(np.arccos(min(1.0, abs(solid.axle @ AXLE)))))
