"""Similarities: composed, inverted, and cameras that move along."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera, look_at
from tasks.geometry.similarity import Similarity, camera_moved

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(20, 3))


def similarity(seed: int) -> Similarity:
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    return Similarity(float(rng.uniform(0.2, 5.0)), turn, rng.normal(size=3))


def test_a_quarter_turn_in_numbers() -> None:
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    found = Similarity(2.0, quarter, np.array([0.0, 0, 5])).apply(np.array([[1.0, 0, 1]]))
    np.testing.assert_allclose(found, [[0, 2, 7]])


@pytest.mark.parametrize("seed", range(3))
def test_the_inverse_leads_back_and_compositions_go_one_after_the_other(seed: int) -> None:
    one, other = similarity(seed), similarity(seed + 10)
    np.testing.assert_allclose(one.inverse().apply(one.apply(POINTS)), POINTS, atol=1e-12)
    np.testing.assert_allclose(one.compose(other).apply(POINTS), one.apply(other.apply(POINTS)))


@pytest.mark.parametrize("seed", range(3))
def test_a_camera_that_moves_along_sees_the_same_picture(seed: int) -> None:
    """At depths that the scale multiplies; its rays and its place go along, too."""
    camera: Camera = look_at(
        np.array([2.0, 3.0, 8.0]), np.zeros(3), focal_px=300.0, width=400, height=300
    )
    transform = similarity(seed)
    moved = camera_moved(camera, transform)
    before, after = camera.project(POINTS), moved.project(transform.apply(POINTS))
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-8)
    np.testing.assert_allclose(after[:, 2], transform.scale * before[:, 2])
    np.testing.assert_allclose(moved.centre, transform.apply(camera.centre[None])[0], atol=1e-9)
    pixels = np.array([[10.0, 20.0], [399.5, 0.5]])
    np.testing.assert_allclose(moved.rays(pixels), camera.rays(pixels) @ transform.rotation.T)
    assert (moved.fx, moved.width) == (camera.fx, camera.width)
