"""Observations moved to where their surroundings agree, in pictures of a known plane."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.lens import Lens
from tasks.imaging.images import write_image
from tasks.poses.observations import Observations
from tasks.poses.outline_bundle import Scene
from tasks.poses.patches import align_patches, in_all_frames
from tasks.poses.solid import Solid
from tests.tasks.poses.scene import noise_texture

FloatArray = NDArray[np.float64]

NO_SOLID = Solid(np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, 0.4, np.zeros((2, 5)))
SIDE = 1.6
"""Side of the plane, world units."""

FACE = Solid(np.array([0.0, 0.0, -0.4]), np.array([0.0, 0.0, 1.0]), 1.0, 0.4, np.zeros((2, 5)))
"""A tyre whose face lies in the plane."""


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


def seen_from(*centre: float) -> Camera:
    """A camera that looks at the middle of the plane."""
    return look_at(np.array(centre), np.zeros(3), focal_px=420, width=480, height=360)


def scene(
    tmp_path: Path,
    texture: NDArray[np.uint8],
    *,
    along: Sequence[float] = (-0.4, 0.0, 0.5),
    solid: Solid = NO_SOLID,
) -> tuple[Scene, Observations, list[Path]]:
    """Three pictures of a plane, brighter from one to the next, and points on it.

    Args:
        tmp_path: Where the pictures go.
        texture: What the plane shows.
        along: Where the cameras are, along x.
        solid: The scene's.
    """
    cameras = [seen_from(x, 0.2, 1.8) for x in along]
    paths = []
    for n, camera in enumerate(cameras):
        paths.append(tmp_path / f"{n}.png")
        seen = picture(camera, texture).astype(np.float64)
        write_image(paths[-1], (0.7 * seen + 8.0 * n).astype(np.uint8))
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.5, 0.5, (200, 2)), np.zeros(200)])
    frame, point = np.repeat(np.arange(3), 200), np.tile(np.arange(200), 3)
    pixel = np.concatenate([c.project(points)[:, :2] for c in cameras])
    return Scene(tuple(cameras), 0.0, points, solid), Observations(frame, point, pixel), paths


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


def test_a_tyre_tells_how_its_patches_lie(tmp_path: Path) -> None:
    texture = noise_texture(4, 20, 230)[:, :, 0]
    errors = []
    for solid in (FACE, NO_SOLID):
        # all on one side: the points face none of them
        known, seen, paths = scene(tmp_path, texture, along=(0.3, 1.3, 2.2), solid=solid)
        moved = align_patches(known, seen, paths)
        true = seen.pixel.reshape(3, 200, 2)[moved.frame, moved.point]
        errors.append(np.percentile(np.linalg.norm(moved.pixel - true, axis=1), 90))
    assert errors[0] < 0.5 * errors[1]


def test_points_of_a_tyre_are_looked_for_in_all_frames_that_they_face() -> None:
    cameras = (seen_from(0, 0, 2), seen_from(1, 0, 2), seen_from(3, 0, 1), seen_from(0.1, 0, -2))
    points = np.array([[0.0, 0.0, 0.0], [0.1, 0.2, 0.0], [0.0, 0.0, 0.4]])  # the last is no tyre's
    seen = Observations(np.array([0, 0]), np.array([0, 2]), np.array([[9.0, 8.0], [7.0, 6.0]]))
    found = in_all_frames(Scene(cameras, -0.1, points, FACE), seen)
    assert list(zip(found.frame, found.point, strict=True)) == [
        (0, 0),
        (0, 2),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    np.testing.assert_array_equal(found.pixel[:2], seen.pixel)
    straight = cameras[1].project(points[:2])[:, :2]
    np.testing.assert_allclose(found.pixel[3:], Lens(-0.1).distort_pixels(straight, cameras[1]))
