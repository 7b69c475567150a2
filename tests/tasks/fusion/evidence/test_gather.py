"""What the visual hull and the profile leave of the grid before any field is read."""

from __future__ import annotations

import numpy as np

from configs.stages import MergeConfig
from tasks.fusion.evidence.gather import _hull
from tasks.fusion.evidence.profile import KNOTS, ProfileFit, rounded_profile
from tasks.fusion.grid import make_grid

RADIUS, HALF_WIDTH = 0.36, 0.15


def test_a_flange_may_stand_out_from_the_sidewalls_and_the_tread_not() -> None:
    """A racing wheel's flange stands out by a fortieth of the radius; all outlines fit."""
    grid = make_grid(RADIUS, HALF_WIDTH, steps=72, angles=16)
    profile = rounded_profile(RADIUS, HALF_WIDTH)
    support = np.full(KNOTS, 100, np.int64)
    fit = ProfileFit(profile, np.eye(3), np.zeros(3), 0.5, (), support)
    inside = _hull(grid, [], fit, MergeConfig()) > 0

    def reaches(radius: float) -> float:
        return float(np.abs(grid.heights[inside[np.abs(grid.radii - radius).argmin(), 0]]).max())

    assert HALF_WIDTH + RADIUS / 40 < reaches(0.24) < HALF_WIDTH + RADIUS / 15
    assert reaches(0.3) < HALF_WIDTH + grid.step
    assert not inside[grid.radii > RADIUS + grid.step].any()
