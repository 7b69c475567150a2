"""Photo consistency on painted shapes that are known exactly."""

from __future__ import annotations

import math

import numpy as np

from tests.tasks.fusion.painted import FACE_Z, HUB_Z, Sweep


def test_photos_are_consistent_on_the_surface(
    spoked: Sweep,
) -> None:
    grid, found = spoked
    section = found.value.mean(axis=1)  # (R, Z)
    height = grid.heights[section.argmax(axis=1)]
    ring = (grid.radii > 0.22) & (grid.radii < 0.28)
    hub = (grid.radii > 0.01) & (grid.radii < 0.05)
    np.testing.assert_allclose(height[ring], FACE_Z, atol=grid.step)
    np.testing.assert_allclose(height[hub], HUB_Z, atol=grid.step)
    assert (found.axial > 0.4).all()  # all cameras are on its side


def test_brightness_varies_beyond_a_textureless_disc(
    disc: Sweep,
) -> None:
    """All frames see the whole disc at its own height only."""
    grid, found = disc
    middle, edge = (int(np.abs(grid.radii - r).argmin()) for r in (0.05, 0.185))
    level = int(np.abs(grid.heights - FACE_Z).argmin())
    np.testing.assert_allclose(found.brightness[middle, :, level], math.log1p(90.0), atol=0.05)
    np.testing.assert_allclose(found.brightness_std[middle, :, level], 0.0, atol=0.02)
    near = abs(int(found.brightness_std[edge].mean(axis=0).argmin()) - level)
    assert near <= 1
