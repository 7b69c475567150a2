"""Cameras, on cases with known answers."""

import numpy as np
import pytest

from tasks.geometry.camera import Camera, look_at


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


def test_a_resized_camera_sees_the_same_points_at_scaled_pixels(camera: Camera) -> None:
    points = np.random.default_rng(2).normal(0, 0.4, (20, 3))
    small = camera.resized(320, 120)  # the axes by factors of their own
    assert (small.width, small.height) == (320, 120)
    expected = camera.project(points) * [0.5, 0.25, 1.0]
    np.testing.assert_allclose(small.project(points), expected, rtol=1e-12)
    pixels = np.array([[10.5, 20.5], [300.0, 7.0]])
    np.testing.assert_allclose(small.rays(pixels * [0.5, 0.25]), camera.rays(pixels), atol=1e-12)
    same = camera.resized(camera.width, camera.height)
    np.testing.assert_array_equal(same.project(points), camera.project(points))
