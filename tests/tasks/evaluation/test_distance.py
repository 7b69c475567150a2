"""Distances to a surface of which there are more triangles than samples."""

from __future__ import annotations

import numpy as np
import trimesh

from tasks.evaluation.distance import SurfaceDistance


def test_points_of_a_fine_surface_are_on_it() -> None:
    ball = trimesh.creation.icosphere(subdivisions=6, radius=0.36)
    points, _ = trimesh.sample.sample_surface(ball, 2000, seed=3)
    assert SurfaceDistance(ball, samples=1000).query(points)[0].max() < 1e-6


def test_other_points_are_as_far_as_they_are() -> None:
    ball = trimesh.creation.icosphere(subdivisions=6, radius=0.36)
    points, _ = trimesh.sample.sample_surface(ball, 2000, seed=3)
    distance, nearest, normals = SurfaceDistance(ball, samples=1000).query(1.01 * points)
    np.testing.assert_allclose(distance, 0.0036, atol=5e-5)
    assert ((points * normals).sum(axis=1) > 0).all()
    np.testing.assert_allclose(nearest, points, atol=5e-4)
