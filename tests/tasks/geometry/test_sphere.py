"""Evenly spread directions."""

import numpy as np
import pytest

from tasks.geometry.sphere import fibonacci_half_sphere, fibonacci_sphere, tangents


def test_directions_cover_the_sphere() -> None:
    directions = fibonacci_sphere(96)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1.0)
    assert np.abs(directions.mean(axis=0)).max() < 0.02
    nearest = np.sort(directions @ directions.T, axis=1)[:, -2]
    assert np.ptp(np.arccos(nearest)) < 0.1  # no two are much nearer than others


def test_directions_cover_the_half_sphere() -> None:
    directions = fibonacci_half_sphere(200)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1.0)
    assert directions[:, 2].min() > 0
    assert directions.mean(axis=0) == pytest.approx([0.0, 0.0, 0.5], abs=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tangents_complete_a_right_handed_frame(dtype: type) -> None:
    for direction in fibonacci_sphere(20).astype(dtype):
        frame = np.stack([direction, *tangents(direction)])
        assert frame.dtype == dtype
        np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(frame) > 0
