"""The section of a tread by outlines: each strip counts alike, and errors of cameras drop out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.comparison.surface_samples import Measured
from tasks.comparison.tread_section import mean_change, tread_section
from tasks.surface.contour_generators import Touches
from tasks.surface.heights import Heights, SurfaceGrid
from tasks.surface.profile import OuterProfile
from tests.tasks.comparison.made import RADIUS, section

FRAMES = 32
HIDDEN_DEG = 30.0


@pytest.fixture(scope="module")
def grid() -> SurfaceGrid:
    return SurfaceGrid(OuterProfile(section(0.002)), columns=360, rows=200)


@pytest.fixture(scope="module")
def tread(grid: SurfaceGrid) -> tuple[int, int]:
    """Rows of the cylinder."""
    rows = np.flatnonzero(grid.section[:, 0] > RADIUS - 1e-6)
    return int(rows[0]), int(rows[-1]) + 1


def outlined(
    grid: SurfaceGrid,
    tread: tuple[int, int],
    height: NDArray[np.float64],
    camera_m: float = 0.0,
    along: float = 0.0,
    seed: int = 0,
) -> Measured:
    """Touches of a tread, nine tenths of them on its edges.

    Args:
        grid: The grid.
        tread: Rows of the tread.
        height: ``(rows,)`` true heights, metres.
        camera_m: Standard deviation of how far each frame's outline lies off, metres.
        along: Likewise of its slope, metres from the middle to an edge.
        seed: The seed of what is random.
    """
    rng = np.random.default_rng(seed)
    first, last = tread
    frame = np.repeat(np.arange(FRAMES), 3000)
    edge = rng.random(len(frame)) < 0.9
    row = np.where(
        edge,
        np.where(rng.random(len(frame)) < 0.5, first + 1, last - 2),
        rng.integers(first, last, len(frame)),
    ).astype(float)
    x = (row - (first + last - 1) / 2) / ((last - first) / 2)
    off, slope = rng.normal(0, camera_m, FRAMES), rng.normal(0, along, FRAMES)
    offset = height[row.astype(int)] + off[frame] + slope[frame] * x
    touches = Touches(
        row,
        rng.uniform(0, 360, len(row)),
        offset + rng.normal(0, 1e-4, len(row)),
        frame,
        np.full(len(row), 1e-3),
        np.zeros(len(row)),
    )
    shape = grid.rows, grid.columns
    return Measured(Heights(np.zeros(shape), np.zeros(shape, np.bool_)), touches, 180.0)


def test_wear_of_the_flat_part_is_not_that_of_its_edges(
    grid: SurfaceGrid, tread: tuple[int, int]
) -> None:
    """Edges stay, and the middle half loses 2 mm: 1 mm on the mean, wherever touches lie."""
    first, last = tread
    worn = np.zeros(grid.rows)
    quarter = (last - first) // 4
    worn[first + quarter : last - quarter] = -0.002
    new, other = (
        tread_section(outlined(grid, tread, h, seed=s), grid, tread, 0.0, HIDDEN_DEG)
        for s, h in enumerate((np.zeros(grid.rows), worn))
    )
    assert new is not None
    assert other is not None
    value, spread = mean_change(new, other)
    assert 1000 * value == pytest.approx(1000 * worn[first:last].mean(), abs=0.08)
    assert spread < 1e-4
    band = np.arange(first + quarter + 3, last - quarter - 3)
    assert 1000 * mean_change(new.of(band), other.of(band))[0] == pytest.approx(-2.0, abs=0.08)
    assert 1000 * mean_change(new, new)[0] == 0.0


def test_errors_of_the_cameras_are_told_and_average_out(
    grid: SurfaceGrid, tread: tuple[int, int]
) -> None:
    """Each frame lies 1 mm off and tilted: edges hold the rest to a tenth of that."""
    first, last = tread
    groove = np.zeros(grid.rows)
    middle = (first + last) // 2
    groove[middle - 15 : middle + 15] = -0.001
    exact, shaken = (
        tread_section(outlined(grid, tread, groove, c, c, seed=3), grid, tread, 0.0, HIDDEN_DEG)
        for c in (0.0, 0.001)
    )
    assert exact is not None
    assert shaken is not None
    assert exact.misfit < 2e-4
    assert 6e-4 < shaken.misfit < 2e-3
    shape_of = [s.height - s.height[[0, -1]].mean() for s in (exact, shaken)]
    assert np.nanmax(np.abs(shape_of[0] - shape_of[1])) < 2.5e-4
    assert mean_change(exact, shaken)[1] > 5e-5, "the spread says what the level may be off"


def test_with_few_frames_nothing_is_told(grid: SurfaceGrid, tread: tuple[int, int]) -> None:
    measured = outlined(grid, tread, np.zeros(grid.rows))
    t = measured.touches
    few = t.frame < 7
    touches = Touches(
        t.row[few], t.column[few], t.offset[few], t.frame[few], t.pixel_m[few], t.around[few]
    )
    left = Measured(measured.heights, touches, 180.0)
    assert tread_section(left, grid, tread, 0.0, HIDDEN_DEG) is None
    known = tread_section(measured, grid, tread, 0.0, HIDDEN_DEG)
    assert known is not None
    nowhere = known.of(np.arange(0, 1))
    assert math.isnan(mean_change(nowhere, nowhere)[0])
