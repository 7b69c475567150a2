"""The level that keeps the volume of what is uncertain."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.fusion.decision.iso_level import volume_preserving_level
from tasks.fusion.grid import make_grid


def test_a_wall_that_is_nowhere_certain_keeps_its_volume() -> None:
    """Frames see it at different places: nowhere are the odds even."""
    grid = make_grid(0.3, 0.1, steps=32, angles=48)
    z = np.arange(grid.shape[2])
    probability = np.maximum(0.45 * np.exp(-0.5 * ((z - 8) / 1.5) ** 2), 1e-3)
    log_odds = np.log(probability / (1 - probability))
    field = np.broadcast_to(log_odds, grid.shape).astype(np.float32)
    assert not (field > 0).any()
    kept = field - volume_preserving_level(grid, field, lowest=-4.0, highest=1.0)
    solid = (kept >= 0)[1:].all(axis=(0, 1))
    assert solid[8]
    assert solid.sum() == pytest.approx(probability.sum(), abs=1.5)  # equal columns go together
    bounded = volume_preserving_level(grid, field, lowest=-0.1, highest=1.0)
    assert bounded == pytest.approx(-0.1, abs=1e-6)


def test_a_certain_field_stays_as_it_is() -> None:
    grid = make_grid(0.3, 0.1, steps=32, angles=48)
    ring = (grid.radii[:, None, None] > 0.2) & (np.abs(grid.heights) < 0.05)
    field = np.where(np.broadcast_to(ring, grid.shape), 6.0, -6.0).astype(np.float32)
    level = volume_preserving_level(grid, field, lowest=-1, highest=1)
    np.testing.assert_array_equal(field - level > 0, field > 0)
