"""Kabsch's method against known motions."""

import numpy as np
import trimesh

from tasks.geometry.rigid import nearest_rotation, rigid_fit


def test_rigid_fit_finds_the_motion() -> None:
    points = np.random.default_rng(0).normal(size=(30, 3))
    turn = trimesh.transformations.rotation_matrix(1.2, [0.3, -1, 0.4])[:3, :3]
    rotation, shift = rigid_fit(points, points @ turn.T + [1.0, 2.0, 3.0])
    np.testing.assert_allclose(rotation, turn, atol=1e-10)
    np.testing.assert_allclose(shift, [1.0, 2.0, 3.0], atol=1e-10)


def test_the_nearest_rotation_is_never_a_reflection() -> None:
    mirror = np.diag([1.0, 1.0, -0.5])
    rotation = nearest_rotation(mirror)
    assert np.linalg.det(rotation) > 0
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-12)


def test_the_nearest_rotation_of_a_stretched_one_is_itself() -> None:
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, -1])[:3, :3]
    np.testing.assert_allclose(nearest_rotation(turn @ np.diag([3.0, 2.0, 0.5])), turn, atol=1e-12)
