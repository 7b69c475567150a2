"""The table of the change, cell by cell."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from tasks.comparison.change import Change
from tasks.comparison.table import COLUMNS, cells_csv
from tasks.surface.heights import SurfaceGrid
from tasks.surface.profile import OuterProfile
from tests.tasks.comparison.made import HALF, section

ROWS, COLUMNS_OF_CELLS = 30, 4


def change(cells: np.ndarray) -> Change:
    """The change of a plain tyre, whose rows 10 to 20 are the tread."""
    grid = SurfaceGrid(OuterProfile(section()), 12, ROWS)
    shape = (ROWS, 12)
    measured = np.ones(cells.shape)
    measured[-1] = 0.25
    return Change(
        grid=grid,
        fine=np.zeros(shape),
        measured=np.ones(shape, np.bool_),
        cells=cells,
        cell_lod=np.full(cells.shape, 0.001),
        cell_measured=measured,
        zones=[],
        turning=np.zeros(shape),
        off_centre_mm=0.0,
        tread=(10, 20),
        pixel_m=0.001,
        misfit_m=(0.0, 0.0),
    )


def rows_of(cells: np.ndarray) -> list[dict[str, str]]:
    return list(csv.DictReader(cells_csv(change(cells)).splitlines()))


def test_every_cell_has_a_line_with_its_place() -> None:
    rows = rows_of(np.zeros((3, COLUMNS_OF_CELLS)))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == 12
    assert [row["part"] for row in rows[::4]] == ["inner-sidewall", "tread", "outer-sidewall"]
    assert [row["angle_deg"] for row in rows[:4]] == ["45.0", "135.0", "225.0", "315.0"]
    length = 1000 * change(np.zeros((3, 4))).grid.profile.length
    assert [float(row["arc_mm"]) for row in rows[::4]] == pytest.approx(
        [length / 6, length / 2, 5 * length / 6], abs=0.06
    )
    across = [float(row["across_mm"]) for row in rows[::4]]
    assert across[1] == 0.0
    assert across[0] == pytest.approx(-across[2], abs=0.11)
    assert -1000 * HALF <= across[0] < -80
    radii = [float(row["radius_mm"]) for row in rows[::4]]
    assert radii[1] == pytest.approx(320.0, abs=0.5)
    assert radii[0] == pytest.approx(radii[2], abs=0.5)


def test_values_are_in_millimetres_and_what_is_unknown_is_empty() -> None:
    cells = np.array([[-0.0005, -0.002, 0.0011, math.nan], [-1e-8] * 4, [-0.005] * 4])
    rows = rows_of(cells)
    assert [row["change_mm"] for row in rows[:4]] == ["-0.500", "-2.000", "1.100", ""]
    assert [row["significant"] for row in rows[:4]] == ["0", "1", "1", "0"]
    assert {row["change_mm"] for row in rows[4:8]} == {"0.000"}, "nothing has no sign"
    assert {(row["measured_share"], row["significant"]) for row in rows[8:]} == {("0.25", "0")}
    assert {row["lod95_mm"] for row in rows} == {"1.000"}
