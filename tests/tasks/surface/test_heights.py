"""Heights over a profile: what was raised is found, where it was raised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.surface.heights import field_over, grid_on, mesh_heights
from tests.tasks.comparison.made import FloatArray, scan


def _dent(angle: FloatArray, arc: FloatArray) -> FloatArray:
    off = (angle - math.pi / 2 + math.pi) % (2 * math.pi) - math.pi
    return -0.004 * np.exp(-((off / 0.2) ** 2) - ((arc - 0.21) / 0.03) ** 2)


def test_heights_are_told_along_the_normals_at_their_angle() -> None:
    made = scan(_dent)
    grid = grid_on(made.profile, 0.004)
    heights = mesh_heights(made.vertices, made.faces, made.inferred, grid)
    row, column = np.unravel_index(np.nanargmin(heights.height), heights.height.shape)
    assert heights.height[row, column] == pytest.approx(-0.004, abs=2e-4)
    assert math.degrees(grid.angles[column]) == pytest.approx(90.0, abs=1.5)
    assert grid.arc[row] == pytest.approx(0.21, abs=0.004)
    away = np.abs(grid.angles - 3 * math.pi / 2) < 0.5
    assert np.nanmax(np.abs(heights.height[5:-5, away])) < 2e-4
    assert not heights.inferred.any()


def test_distances_count_from_the_raised_surface() -> None:
    made = scan(_dent)
    grid = grid_on(made.profile, 0.002)
    field = field_over(grid, mesh_heights(made.vertices, made.faces, made.inferred, grid).height)
    # on the tread's middle, 90° clockwise from the top is +X
    points = np.array([[0.33, 0.0, 0.0], [-0.33, 0.0, 0.0], [0.0, 0.31, 0.0]])
    distance, _, _ = field.at(points)
    assert distance == pytest.approx([0.014, 0.010, -0.010], abs=4e-4)
