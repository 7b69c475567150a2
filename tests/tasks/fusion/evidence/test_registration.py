"""A field that its network put elsewhere, or made too large, is brought back."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from tasks.fusion.evidence.fields import PosedField
from tasks.fusion.evidence.registration import register_fields
from tasks.fusion.grid import CylinderGrid, Field, make_grid
from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity

CAMERA = Camera(100.0, 100.0, 50.0, 50.0, 100, 100, np.eye(3), np.zeros(3))


@pytest.fixture(scope="module")
def grid() -> CylinderGrid:
    return make_grid(0.32, 0.12, steps=24, angles=36)


def ring(grid: CylinderGrid, *, scale: float = 1.0, shift_z: float = 0.0) -> Field:
    """The log-density of a ring, twice its depth in steps, of another size or place."""
    points = (grid.points().astype(np.float64) - [0.0, 0.0, shift_z]) / scale
    r, z = np.hypot(points[:, 0], points[:, 1]), np.abs(points[:, 2])
    depth = np.minimum(np.minimum(r - 0.18, 0.3 - r), 0.08 - z)
    return np.clip(2.0 / grid.step * depth, -6.0, 6.0).reshape(grid.shape).astype(np.float32)


def moves(grid: CylinderGrid, fields: list[Field], *, min_gain: float) -> list[Similarity]:
    """What registering does to the fields' similarities, which are none before."""
    still = Similarity(1.0, np.eye(3), np.zeros(3))
    posed = [PosedField(i, cast(Any, None), CAMERA, still) for i in range(len(fields))]
    hull = np.full(grid.shape, 1.0, np.float32)
    found = register_fields(
        posed, grid, np.stack(fields), hull, robust_scale=1.0, min_gain=min_gain
    )
    return [field.to_crop for field in found]


def test_a_field_along_the_axle_and_one_too_large_are_brought_back(grid: CylinderGrid) -> None:
    fields = [ring(grid)] * 3 + [ring(grid, shift_z=0.012), ring(grid, scale=1.05)]
    *still, shifted, enlarged = moves(grid, fields, min_gain=0.3)
    for move in still:
        assert (move.scale, *move.translation) == pytest.approx((1.0, 0.0, 0.0, 0.0), abs=0.006)
    assert shifted.translation[2] == pytest.approx(0.012, abs=0.004)
    assert shifted.scale == pytest.approx(1.0, abs=0.01)
    assert enlarged.scale == pytest.approx(1.05, abs=0.015)


def test_a_move_that_gains_too_little_is_not_made(grid: CylinderGrid) -> None:
    fields = [ring(grid)] * 3 + [ring(grid, shift_z=0.012)]
    found = moves(grid, fields, min_gain=1.0)
    assert all((move.scale, *move.translation) == (1.0, 0.0, 0.0, 0.0) for move in found)
