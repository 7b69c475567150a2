"""The grid of cylindrical coordinates."""

from __future__ import annotations

import numpy as np

from tasks.fusion.grid import make_grid


def test_the_grid_interpolates_across_the_seam() -> None:
    grid = make_grid(0.36, 0.1, steps=32, angles=96)
    r, t, z = np.meshgrid(grid.radii, grid.angles, grid.heights, indexing="ij")
    field = (r * np.cos(t) + 2 * z).astype(np.float32)
    points = np.random.default_rng(1).uniform(-0.09, 0.09, (500, 3))
    np.testing.assert_allclose(
        grid.sample(field, points), points[:, 0] + 2 * points[:, 2], atol=4e-4
    )
