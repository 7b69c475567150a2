"""Components that lie apart are joined, the rest stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label

from tasks.fusion.decision import connect
from tasks.fusion.decision.connect import connect_components
from tasks.fusion.grid import make_grid

GRID = make_grid(0.3, 0.1, steps=30, angles=60)
R, T, Z = np.meshgrid(GRID.radii, GRID.angles, GRID.heights, indexing="ij")
TYRE = (R > 0.2) & (R < 0.29) & (np.abs(Z) < 0.08)
HUB = (R < 0.06) & (np.abs(Z - 0.05) < 0.02)
LIKELY = np.full((len(GRID.radii), len(GRID.heights)), 0.3, np.float32)
EVERYWHERE = np.ones(GRID.shape, bool)


def joined(
    solid: NDArray[np.bool_], *, likely: NDArray[np.float32] = LIKELY, thickness: float = 0.03
) -> NDArray[np.bool_]:
    share = solid.astype(np.float32)
    out = connect_components(GRID, share, likely, EVERYWHERE, thickness=thickness)
    assert out.dtype == np.float32
    return np.asarray(out > 0.5)


def test_a_separate_hub_is_connected_along_the_likeliest_path() -> None:
    grid = make_grid(0.3, 0.1, steps=30, angles=60)
    r, _, z = np.meshgrid(grid.radii, grid.angles, grid.heights, indexing="ij")
    tyre = (r > 0.2) & (r < 0.29) & (np.abs(z) < 0.08)
    hub = (r < 0.06) & (np.abs(z - 0.05) < 0.02)
    share = (tyre | hub).astype(np.float32)
    _, flat_z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
    likely = np.where(np.abs(flat_z - 0.05) < 0.011, 0.5, 0.05).astype(np.float32)
    likely[np.abs(flat_z) > 0.09] = 0.0
    everywhere = np.ones(grid.shape, bool)
    connected = connect_components(grid, share, likely, everywhere, thickness=0.03)
    drawn = (connected > 0.5) & ~(tyre | hub)
    half = everywhere.copy()
    half[:, :30] = False
    gap = connect_components(grid, share, likely, half, thickness=0.03)[:, 5:25] > 0.5
    np.testing.assert_array_equal(gap, (tyre | hub)[:, 5:25])
    assert drawn.any(axis=(0, 2)).all()  # all around
    heights = grid.heights[np.nonzero(drawn)[2]]
    assert abs(heights.mean() - 0.05) < 0.011  # along the likely height
    assert label(np.concatenate([connected > 0.5] * 2, axis=1))[1] == 1
    whole = tyre.astype(np.float32)
    np.testing.assert_array_equal(
        connect_components(grid, whole, likely, everywhere, thickness=0.03), whole
    )


def test_a_wall_is_as_thick_as_it_is_told() -> None:
    """Along the radius it runs straight: its thickness is that along the axle."""
    for thickness in (0.02, 0.06):
        drawn = joined(TYRE | HUB, thickness=thickness) & ~(TYRE | HUB)
        middle = drawn[15].any(axis=0)
        assert abs(middle.sum() * GRID.step - thickness) <= GRID.step + 1e-9


def test_a_component_that_runs_over_the_seam_of_the_angle_is_one() -> None:
    """Of two halves that touch there only, nothing would be left to join."""
    solid = TYRE.copy()
    solid[:, 20:40] = False
    np.testing.assert_array_equal(joined(solid), solid)


def test_noise_and_parts_of_a_circle_are_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    sixth = (R < 0.06) & (np.abs(Z - 0.05) < 0.02) & (T < 1.0)
    np.testing.assert_array_equal(joined(TYRE | sixth), TYRE | sixth)
    thin = (np.abs(R - 0.1) < 0.004) & (np.abs(Z) < 0.004)  # 60 nodes, of 9180 of the tyre
    assert (joined(TYRE | thin) & ~(TYRE | thin)).any()
    monkeypatch.setattr(connect, "MIN_COMPONENT_SHARE", 0.01)
    np.testing.assert_array_equal(joined(TYRE | thin), TYRE | thin)


def test_what_no_path_leads_to_stays_alone() -> None:
    shut = np.where(np.abs(GRID.radii - 0.12) < 0.02, np.float32(0.0), np.float32(0.3))
    likely = np.repeat(shut[:, None], len(GRID.heights), axis=1)
    np.testing.assert_array_equal(joined(TYRE | HUB, likely=likely), TYRE | HUB)
    np.testing.assert_array_equal(joined(np.zeros(GRID.shape, bool)), np.zeros(GRID.shape, bool))
