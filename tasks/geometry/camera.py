"""Pinhole cameras and the crop frame, in which a scene code lives.

Conventions: OpenCV camera axes (x right, y down, z forward), ``x_cam = R @ x_world + t``, pixel
centres at half-integers. The crop frame is TripoSR's: z up, the conditioning camera on +x looking
along -x, image right is +y.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CROP_FILL = 0.85
"""Share of the crop's side that the foreground's longest side fills (TripoSR's preprocessing)."""

VIEW_WIDTH = 2.0 * 1.9 * math.tan(math.radians(20.0))
"""Width of the view at the crop frame's origin: TripoSR's camera, distance 1.9, field 40 deg."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with its pose.

    Args:
        fx, fy: Focal lengths in pixels.
        cx, cy: Principal point in pixels.
        width, height: Size of the image in pixels.
        rotation: ``(3, 3)`` world to camera.
        translation: ``(3,)`` world to camera, in world units.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    rotation: FloatArray
    translation: FloatArray

    @property
    def centre(self) -> FloatArray:
        """The camera's centre in the world, ``(3,)``."""
        return np.asarray(-self.rotation.T @ self.translation)

    def project(self, points: FloatArray) -> FloatArray:
        """Project world points ``(N, 3)`` to pixels and depth ``(N, 3)``: u, v, z."""
        cam = points @ self.rotation.T + self.translation
        z = cam[:, 2]
        return np.stack(
            [self.fx * cam[:, 0] / z + self.cx, self.fy * cam[:, 1] / z + self.cy, z], axis=1
        )

    def rays(self, pixels: FloatArray) -> FloatArray:
        """Unit directions in the world, ``(N, 3)``, of the rays through pixels ``(N, 2)``."""
        d = np.stack(
            [
                (pixels[:, 0] - self.cx) / self.fx,
                (pixels[:, 1] - self.cy) / self.fy,
                np.ones(len(pixels)),
            ],
            axis=1,
        )
        d /= np.linalg.norm(d, axis=1, keepdims=True)
        return np.asarray(d @ self.rotation)

    def to_dict(self) -> dict[str, Any]:
        """The camera as plain JSON types."""
        record = asdict(self)
        record["rotation"] = self.rotation.tolist()
        record["translation"] = self.translation.tolist()
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Camera:
        """The inverse of :meth:`to_dict`."""
        return cls(
            **{k: record[k] for k in ("fx", "fy", "cx", "cy", "width", "height")},
            rotation=np.asarray(record["rotation"], dtype=np.float64),
            translation=np.asarray(record["translation"], dtype=np.float64),
        )


def look_at(
    eye: FloatArray,
    target: FloatArray,
    *,
    focal_px: float,
    width: int,
    height: int,
    up: tuple[float, float, float] = (0.0, 1.0, 0.0),
    roll_rad: float = 0.0,
) -> Camera:
    """A camera at ``eye`` that looks at ``target`` with the principal point at the centre."""
    forward = np.asarray(target, dtype=np.float64) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, np.asarray(up, dtype=np.float64))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(roll_rad), math.sin(roll_rad)
    rotation = np.stack([c * right + s * down, -s * right + c * down, forward])
    return Camera(
        focal_px, focal_px, width / 2, height / 2, width, height, rotation, -rotation @ eye
    )


@dataclass(frozen=True)
class Crop:
    """The square of a frame that the network sees, in pixels; it may leave the frame."""

    cx: float
    cy: float
    side: float


def crop_of_box(x0: float, y0: float, x1: float, y1: float, fill: float = CROP_FILL) -> Crop:
    """The crop in which the longest side of a foreground box (edges, pixels) fills ``fill``."""
    return Crop((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / fill)


@dataclass(frozen=True)
class Similarity:
    """``x_out = scale * rotation @ x_in + translation``."""

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: FloatArray) -> FloatArray:
        """Transform points ``(N, 3)``."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)

    def inverse(self) -> Similarity:
        """The inverse similarity."""
        r = self.rotation.T
        return Similarity(1.0 / self.scale, r, -(r @ self.translation) / self.scale)

    def compose(self, first: Similarity) -> Similarity:
        """``self`` after ``first``."""
        return Similarity(
            self.scale * first.scale,
            self.rotation @ first.rotation,
            self.scale * self.rotation @ first.translation + self.translation,
        )


def world_to_crop_frame(camera: Camera, crop: Crop, object_centre: FloatArray) -> Similarity:
    """The similarity from the world to the crop frame of one frame.

    Args:
        camera: The frame's camera.
        crop: The square given to the network.
        object_centre: ``(3,)`` world; only its depth along the crop's central ray is used.

    Returns:
        Maps world points to the scene code's coordinates (the cube of half side 0.87).
    """
    x = (crop.cx - camera.cx) / camera.fx
    y = (crop.cy - camera.cy) / camera.fy
    stretch = math.sqrt(1.0 + x * x + y * y)
    forward = np.array([x, y, 1.0]) / stretch
    depth = float((camera.rotation @ object_centre + camera.translation) @ forward)
    right = np.array([1.0, 0.0, 0.0]) - forward[0] * forward
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    axes = np.stack([-forward, right, -down])  # rows: the crop frame's x, y, z in camera axes
    focal = stretch * math.sqrt(camera.fx * camera.fy)  # of the virtual camera along this ray
    scale = VIEW_WIDTH * focal / (crop.side * depth)
    rotation = axes @ camera.rotation
    return Similarity(scale, rotation, scale * axes @ (camera.translation - depth * forward))
