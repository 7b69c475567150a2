"""The crop and its frame, on cases with known answers."""

import numpy as np
import pytest

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.crop import (
    CROP_FILL,
    VIEW_WIDTH,
    Crop,
    camera_of_crop,
    crop_of_box,
    world_to_crop_frame,
)


@pytest.fixture
def camera() -> Camera:
    return look_at(
        np.array([3.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.0]), focal_px=700, width=640, height=480
    )


def test_crop_of_a_box_fills_its_share() -> None:
    crop = crop_of_box(100, 50, 300, 150)
    assert (crop.cx, crop.cy) == (200, 100)
    assert 200 / crop.side == pytest.approx(CROP_FILL)


def test_crop_frame_looks_along_minus_x(camera: Camera) -> None:
    crop = Crop(cx=410.0, cy=200.0, side=180.0)
    to_crop = world_to_crop_frame(camera, crop, np.zeros(3))
    eye = to_crop.apply(camera.centre[None])[0]
    assert eye[0] > 0
    np.testing.assert_allclose(eye[1:], 0, atol=1e-12)
    assert np.linalg.det(to_crop.rotation) == pytest.approx(1.0)


def test_crop_frame_axes_and_scale_match_the_image(camera: Camera) -> None:
    """A point right of and above the crop's middle has y and z in proportion to the crop's side."""
    crop = Crop(cx=330.0, cy=236.0, side=180.0)
    to_crop = world_to_crop_frame(camera, crop, np.array([0.1, 0.2, 0.0]))
    point = to_crop.inverse().apply(np.array([[0.0, 0.2, 0.1]]))
    u, v, _ = camera.project(point)[0]
    assert (u - crop.cx) / crop.side == pytest.approx(0.2 / VIEW_WIDTH, rel=0.01)
    assert (crop.cy - v) / crop.side == pytest.approx(0.1 / VIEW_WIDTH, rel=0.01)


def test_the_camera_of_a_crop_shows_the_crop_as_its_whole_image(camera: Camera) -> None:
    crop = Crop(cx=330.0, cy=236.0, side=180.0)
    close = camera_of_crop(camera, crop, 90)
    points = np.random.default_rng(3).normal(0, 0.3, (20, 3))
    u, v, z = camera.project(points).T
    expected = np.stack([(u - 330.0 + 90.0) / 2, (v - 236.0 + 90.0) / 2, z], axis=1)
    np.testing.assert_allclose(close.project(points), expected, rtol=1e-12)
    assert (close.width, close.height) == (90, 90)


def test_similarities_compose_and_invert(camera: Camera) -> None:
    first = world_to_crop_frame(camera, Crop(300, 220, 150), np.zeros(3))
    points = np.random.default_rng(2).normal(0, 1, (7, 3))
    back = first.inverse().compose(first)
    np.testing.assert_allclose(back.apply(points), points, atol=1e-12)
