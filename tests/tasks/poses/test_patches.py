"""Observations moved to where their surroundings agree, in pictures of a known plane."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.imaging.images import write_image
from tasks.poses.observations import Observations
from tasks.poses.outline_bundle import Scene
from tasks.poses.patches import align_patches
from tasks.poses.solid import Solid
from tests.tasks.poses.scene import noise_texture

FloatArray = NDArray[np.float64]

NO_SOLID = Solid(np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, 0.4, np.zeros((2, 5)))
SIDE = 1.6
"""Of the plane, world units."""


def picture(camera: Camera, texture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A plane about the origin, across z, that shows a texture ``(S, S)``."""
    corners = SIDE / 2 * np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]], float)
    size = len(texture)
    ends = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32) - 0.5
    seen = (camera.project(corners)[:, :2] - 0.5).astype(np.float32)
    warp = cv2.getPerspectiveTransform(ends, seen)
    return cv2.warpPerspective(
        texture, warp, (camera.width, camera.height), flags=cv2.INTER_AREA, borderValue=90
    )


def scene(tmp_path: Path, texture: NDArray[np.uint8]) -> tuple[Scene, Observations, list[Path]]:
    """Three pictures of a plane, brighter from one to the next, and points on it."""
    cameras = [
        look_at(np.array([x, 0.2, 1.8]), np.zeros(3), focal_px=420, width=480, height=360)
        for x in (-0.4, 0.0, 0.5)
    ]
    paths = []
    for n, camera in enumerate(cameras):
        paths.append(tmp_path / f"{n}.png")
        seen = picture(camera, texture).astype(np.float64)
        write_image(paths[-1], (0.7 * seen + 8.0 * n).astype(np.uint8))
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.5, 0.5, (200, 2)), np.zeros(200)])
    frame, point = np.repeat(np.arange(3), 200), np.tile(np.arange(200), 3)
    pixel = np.concatenate([c.project(points)[:, :2] for c in cameras])
    return Scene(tuple(cameras), 0.0, points, NO_SOLID), Observations(frame, point, pixel), paths


def test_observations_come_to_lie_where_the_reference_is_seen(tmp_path: Path) -> None:
    known, seen, paths = scene(tmp_path, noise_texture(4, 20, 230)[:, :, 0])
    rng = np.random.default_rng(1)
    off = rng.uniform(-1.5, 1.5, seen.pixel.shape)
    off[seen.frame == 1] = 0.0  # the middlemost: the reference
    moved = align_patches(known, Observations(seen.frame, seen.point, seen.pixel + off), paths)
    assert len(moved.frame) > 0.9 * len(seen.frame)
    true = seen.pixel.reshape(3, 200, 2)[moved.frame, moved.point]
    error = np.linalg.norm(moved.pixel - true, axis=1)[moved.frame != 1]
    assert np.median(error) < 0.06
    assert np.percentile(error, 95) < 0.2


def test_what_does_not_look_alike_is_left_out(tmp_path: Path) -> None:
    known, seen, paths = scene(tmp_path, noise_texture(4, 20, 230)[:, :, 0])
    other = scene(tmp_path.parent, noise_texture(5, 20, 230)[:, :, 0])[2]
    moved = align_patches(known, seen, [*paths[:2], other[2]])
    assert (moved.frame == 2).sum() < 0.1 * 200
    assert (moved.frame == 0).sum() > 0.9 * 200


@pytest.mark.parametrize("texture", ["plain", "stripes"])
def test_plain_and_striped_surroundings_tell_no_place(tmp_path: Path, texture: str) -> None:
    rows = np.arange(512)[:, None]
    stripes = 128 + 80 * np.sin(rows / 6.0) * np.ones((1, 512))
    shown = np.full((512, 512), 120.0) if texture == "plain" else stripes
    known, seen, paths = scene(tmp_path, shown.astype(np.uint8))
    assert len(align_patches(known, seen, paths).frame) < 0.05 * len(seen.frame)
