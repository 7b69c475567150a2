"""Pinhole cameras.

Conventions: OpenCV camera axes (x right, y down, z forward), ``x_cam = R @ x_world + t``, pixel
centres at half-integers.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the image resampled to another size, each axis by its own factor."""
        return self.scaled(width / self.width, height / self.height, width, height)

    def scaled(self, x: float, y: float, width: int, height: int) -> Camera:
        """The camera whose pixel coordinates are this one's times a factor for each axis.

        Args:
            x: New pixels per old pixel along the image's rows.
            y: New pixels per old pixel along the image's columns.
            width: Width of the new image in pixels, whatever part of the old it shows.
            height: Its height in pixels.
        """
        return replace(
            self,
            fx=self.fx * x,
            fy=self.fy * y,
            cx=self.cx * x,
            cy=self.cy * y,
            width=width,
            height=height,
        )

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
