"""A painted face, seen by cameras: its photo consistency, and where it truly lies."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.fusion.evidence.plane_sweep import PhotoConsistency, photo_consistency
from tasks.fusion.grid import CylinderGrid, make_grid
from tasks.geometry.camera import Camera, look_at

RADIUS, FACE_Z, HUB_Z = 0.3, 0.08, 0.02
SIZES = {"radius": RADIUS, "wall_thickness": 0.045 * RADIUS}  # metres
Sweep = tuple[CylinderGrid, PhotoConsistency]


def hit_face(camera: Camera, spokes: int) -> NDArray[np.uint8]:
    """A camera's image of a painted face: a ring at one height, spokes and hub at another.

    Without spokes there is a disc of one colour instead, level with the ring.
    """
    v, u = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1))
    image = np.full(len(rays), 40.0)
    for z, is_ring in ((HUB_Z if spokes else FACE_Z, False), (FACE_Z, True)):
        p = camera.centre + rays * ((z - camera.centre[2]) / rays[:, 2])[:, None]
        r, t = np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0])
        on_spoke = np.abs((t * spokes / (2 * math.pi)) % 1.0 - 0.5) < 0.2
        shown = (r > 0.2) & (r < RADIUS) if is_ring else (r < 0.06) | ((r < 0.2) & on_spoke)
        if not spokes and not is_ring:
            image[r < 0.2] = 90.0
            continue
        paint = (
            128
            + 50 * np.sin(170 * p[:, 0] + 3) * np.sin(150 * p[:, 1])
            + 40 * np.sin(260 * p[:, 0] - 210 * p[:, 1])
        )
        image[shown] = paint[shown]
    return np.clip(image, 0, 255).astype(np.uint8).reshape(camera.height, camera.width)


def sweep(folder: Path, spokes: int) -> Sweep:
    grid = make_grid(RADIUS, 0.1, steps=32, angles=120)
    cameras: dict[int, Camera] = {}
    paths: dict[int, Path] = {}
    for k, azimuth in enumerate(np.radians(np.linspace(-60, 60, 13))):
        eye = np.array([math.sin(azimuth), 0.25, math.cos(azimuth)])
        cameras[k] = look_at(eye, np.zeros(3), focal_px=420.0, width=400, height=320)
        paths[k] = folder / f"{k}.png"
        cv2.imwrite(str(paths[k]), hit_face(cameras[k], spokes))
    found = photo_consistency(grid, cameras, paths, 1)
    assert found is not None
    assert photo_consistency(grid, cameras, paths, -1) is None  # no camera sees the other face
    return grid, found
