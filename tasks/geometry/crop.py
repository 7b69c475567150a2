"""The crop that the network sees, and the crop frame, in which its scene code lives.

The crop frame is TripoSR's: z up, the conditioning camera on +x looking along -x, image right is
+y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity

FloatArray = NDArray[np.float64]

CROP_FILL = 0.85
"""Share of the crop's side that the foreground's longest side fills (TripoSR's preprocessing)."""

VIEW_WIDTH = 2.0 * 1.9 * math.tan(math.radians(20.0))
"""Width of the view at the crop frame's origin: TripoSR's camera, distance 1.9, field 40 deg."""


@dataclass(frozen=True)
class Crop:
    """The square of a frame that the network sees, in pixels; it may leave the frame."""

    cx: float
    cy: float
    side: float


@dataclass(frozen=True)
class CodedFrame:
    """A chosen frame whose scene code was inferred: its index and the crop the network saw."""

    index: int
    crop: Crop


def crop_of_box(x0: float, y0: float, x1: float, y1: float, fill: float = CROP_FILL) -> Crop:
    """The crop in which the longest side of a foreground box (edges, pixels) fills ``fill``."""
    return Crop((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / fill)


def camera_of_crop(camera: Camera, crop: Crop, size_px: int) -> Camera:
    """The camera whose whole image, ``size_px`` squared, is the crop."""
    zoom = size_px / crop.side
    shifted = replace(
        camera,
        cx=camera.cx - crop.cx + crop.side / 2,
        cy=camera.cy - crop.cy + crop.side / 2,
    )
    return shifted.scaled(zoom, zoom, size_px, size_px)


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
