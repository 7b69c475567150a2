"""Cameras and the crop frame, on cases with known answers."""

import numpy as np
import pytest

from tasks.geometry.camera import (
    CROP_FILL,
    VIEW_WIDTH,
    Camera,
    Crop,
    crop_of_box,
    look_at,
    world_to_crop_frame,
)


@pytest.fixture
def camera() -> Camera:
    return look_at(
        np.array([3.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.0]), focal_px=700, width=640, height=480
    )


def test_look_at_puts_the_target_into_the_middle(camera: Camera) -> None:
    u, v, z = camera.project(np.array([[0.1, 0.2, 0.0]]))[0]
    assert (u, v) == pytest.approx((320, 240))
    assert z == pytest.approx(np.linalg.norm(camera.centre - [0.1, 0.2, 0.0]))


def test_up_in_the_world_is_up_in_the_image(camera: Camera) -> None:
    low, high = camera.project(np.array([[0.0, 0.0, 0.0], [0.0, 0.3, 0.0]]))
    assert high[1] < low[1]
    assert np.linalg.det(camera.rotation) == pytest.approx(1.0)


def test_rays_invert_projection(camera: Camera) -> None:
    points = np.random.default_rng(0).normal(0, 0.4, (20, 3))
    rays = camera.rays(camera.project(points)[:, :2])
    towards = points - camera.centre
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    np.testing.assert_allclose(rays, towards, atol=1e-12)


def test_record_survives_a_round_trip(camera: Camera) -> None:
    again = Camera.from_dict(camera.to_dict())
    points = np.random.default_rng(1).normal(0, 0.4, (5, 3))
    np.testing.assert_array_equal(again.project(points), camera.project(points))


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


def test_similarities_compose_and_invert(camera: Camera) -> None:
    first = world_to_crop_frame(camera, Crop(300, 220, 150), np.zeros(3))
    points = np.random.default_rng(2).normal(0, 1, (7, 3))
    back = first.inverse().compose(first)
    np.testing.assert_allclose(back.apply(points), points, atol=1e-12)
