"""A plate before another: what is seen, from where, and how steeply."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.fusion.surface.marching import TriangleMesh
from tasks.fusion.surface.visibility import caster_of, depth_map
from tasks.geometry.camera import look_at

FLOOR, PLATE = 1.0, 0.2
"""Halves of the sides of two squares: a floor at z = 0, a plate half a metre above its middle."""
CAMERA = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=200.0, width=400, height=400)


def square(half: float, z: float) -> np.ndarray:
    return np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])


def plates() -> TriangleMesh:
    vertices = np.concatenate([square(FLOOR, 0.0), square(PLATE, 0.5)])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    return TriangleMesh(vertices, faces)


def test_depth_is_the_distance_along_the_ray() -> None:
    depth = depth_map(caster_of(plates()), CAMERA, 400)
    v, u = np.mgrid[0:400, 0:400] + 0.5
    slant = np.hypot(1.0, np.hypot(u - 200, v - 200) / 200)
    on_plate = np.maximum(np.abs(u - 200), np.abs(v - 200)) < 200 * PLATE / 1.5 - 1
    np.testing.assert_allclose(depth.distance[on_plate], 1.5 * slant[on_plate], rtol=1e-5)
    on_floor = np.maximum(np.abs(u - 200), np.abs(v - 200)) < 99
    on_floor &= np.maximum(np.abs(u - 200), np.abs(v - 200)) > 200 * PLATE / 1.5 + 1
    np.testing.assert_allclose(depth.distance[on_floor], 2.0 * slant[on_floor], rtol=1e-5)
    assert not depth.hits[0, 0]
    assert depth.hits.sum() == pytest.approx(200 * 200, rel=0.02)


@pytest.mark.parametrize("longest_px", [400, 100])
def test_what_lies_in_the_shadow_of_the_plate_is_not_seen(longest_px: int) -> None:
    """The plate hides the floor as far out as rays over its edge reach: 4/3 of its side."""
    depth = depth_map(caster_of(plates()), CAMERA, longest_px)
    x = np.linspace(-0.95, 0.95, 39)
    points = np.stack([x, 0 * x, 0 * x], axis=1)
    up = np.tile([0.0, 0.0, 1.0], (39, 1))
    cosine, pixels = depth.sees(points, up, tolerance_m=0.01)
    edge = PLATE * 2.0 / 1.5
    pixel_m = 2.0 / depth.camera.fx
    clear, hidden = np.abs(x) > edge + 2 * pixel_m, np.abs(x) < edge - 2 * pixel_m
    np.testing.assert_allclose(cosine[clear], 2 / np.hypot(2, x[clear]), rtol=1e-5)
    assert not cosine[hidden].any()
    np.testing.assert_allclose(pixels[:, 0], depth.camera.cx + depth.camera.fx * x / 2, atol=1e-9)


def test_what_turns_away_or_lies_behind_or_beside_the_picture_is_not_seen() -> None:
    depth = depth_map(caster_of(plates()), CAMERA, 400)
    points = np.array([[0.5, 0, 0], [0.5, 0, 0], [0.5, 0, 0], [0, 0, 3.0], [2.5, 0, 0]])
    normals = np.array([[0.0, 0, 1], [0, 0, -1], [1, 0, 0], [0, 0, -1], [0, 0, 1]])
    cosine, _ = depth.sees(points, normals, tolerance_m=0.01)
    assert cosine[0] == pytest.approx(2 / np.hypot(2, 0.5))
    assert not cosine[1:].any()


def test_a_point_may_lie_so_far_below_the_surface_and_no_farther() -> None:
    depth = depth_map(caster_of(plates()), CAMERA, 400)
    points = np.array([[0.5, 0.0, -0.02], [0.5, 0.0, -0.08]])
    cosine, _ = depth.sees(points, np.tile([0.0, 0, 1], (2, 1)), tolerance_m=0.03)
    assert cosine[0] > 0.9
    assert cosine[1] == 0
