"""Bulges and dents: what stands out from its own height all round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from configs.comparison import CompareConfig
from tasks.comparison.change import Change, tread_rows
from tasks.comparison.findings import Finding, depth_of, findings_of, location_of
from tasks.comparison.surface_samples import Measured
from tasks.surface.heights import grid_on
from tests.tasks.comparison.made import FloatArray, scan, touched

CONFIG = CompareConfig()
GRID = grid_on(scan().profile, CONFIG.step_mm / 1000)
ROWS, COLUMNS = 30, 72
BANDS = np.array_split(np.arange(GRID.rows), ROWS)
OUTER = [k for k in range(ROWS) if BANDS[k][0] >= tread_rows(GRID)[1]]


def noise() -> FloatArray:
    return 1e-4 * np.random.default_rng(5).normal(size=(ROWS, COLUMNS))


def nowhere() -> Measured:
    """A tyre that no outline touches."""
    return touched(GRID, np.zeros((0, 3)), frames=0)


def told(
    cells: FloatArray, new: Measured | None = None, other: Measured | None = None
) -> list[Finding]:
    fine = np.zeros((GRID.rows, COLUMNS))
    change = Change(
        GRID, fine, fine == 0, cells, np.full(cells.shape, 1e-3), np.ones(cells.shape),
        [], fine, 0.0, tread_rows(GRID), 1e-3, (0.0, 0.0),
    )  # fmt: skip
    return findings_of(change, [], [], 2e-4, (new or nowhere(), other or nowhere()), CONFIG)


def test_a_bulge_is_found_where_it_is() -> None:
    cells = noise()
    cells[OUTER[1] : OUTER[1] + 3, 18:22] += 0.003  # 90 to 110 degrees
    (bulge,) = told(cells)
    assert (bulge.kind, bulge.part) == ("bulge", "outer-sidewall")
    assert bulge.angle_deg == pytest.approx(100.0, abs=2.0)
    assert bulge.depth_mm == pytest.approx(-3.0, abs=0.4)


def test_a_finding_is_told_alike_everywhere() -> None:
    """Plus is material lost, and a circle ends before 360 degrees, after rounding too."""
    bulge = Finding("bulge", "outer-sidewall", 359.997, 280.0, 90.0, 40.0, 30.0, -3.04, 0.9)
    record = bulge.to_dict()
    assert record["angle_deg"] == 0.0
    assert (location_of(record), depth_of(record)) == ("outer sidewall, 0°", "3.0 mm outwards")
    assert location_of(record | {"angle_deg": 359.6}) == "outer sidewall, 0°"
    assert depth_of(record | {"depth_mm": 2.5}) == "2.5 mm deep"
    middle = Finding("bulge", "tread", 9.0, 280.0, -0.004, 40.0, 30.0, -3.04, 0.9)
    assert str(middle.to_dict()["across_mm"]) == "0.0"


def test_a_height_that_differs_all_round_has_no_dent() -> None:
    """As at the edge of a rim, which two films never show alike."""
    cells = noise()
    cells[OUTER[1] : OUTER[1] + 2] += 0.0015 * np.cos(np.arange(COLUMNS) * (6 * np.pi / COLUMNS))
    assert told(cells) == []
    cells[OUTER[1] : OUTER[1] + 2, 30:34] -= 0.008
    (dent,) = told(cells)
    assert dent.kind == "dent"


def dented() -> tuple[FloatArray, Callable[[float], Measured]]:
    """A dent of 4 mm at 60°, and a tyre whose outlines lie so far off its mesh there."""
    cells = noise()
    cells[OUTER[1] : OUTER[1] + 3, 10:14] -= 0.004  # 50 to 70 degrees

    def off_mesh(metres: float) -> Measured:
        row = np.concatenate(BANDS[OUTER[1] : OUTER[1] + 3])
        row, angle = (v.ravel() for v in np.meshgrid(row, np.arange(0.5, 360.0)))
        there = (angle > 48) & (angle < 72)
        return touched(GRID, np.stack([row, angle, np.where(there, metres, 0.0)], axis=1))

    return cells, off_mesh


def test_a_dent_that_outlines_show_as_well_stays() -> None:
    cells, off_mesh = dented()
    (dent,) = told(cells, off_mesh(0.0), off_mesh(0.0))
    assert dent.kind == "dent"
    assert dent.depth_mm == pytest.approx(4.0, abs=0.3)


def test_where_only_a_mesh_bends_there_is_no_dent() -> None:
    """Of either film: outlines show that the tyre does not lie where the mesh has it."""
    cells, off_mesh = dented()
    assert told(cells, off_mesh(0.0), off_mesh(0.004)) == []
    assert told(cells, off_mesh(-0.004), off_mesh(0.0)) == []
    assert told(cells, other=off_mesh(0.004)) == []


def test_outlines_of_a_whole_height_that_lie_off_say_nothing_about_a_dent() -> None:
    """As where the mesh is too small all round: the dent is one all the same."""
    cells, off_mesh = dented()
    all_round = off_mesh(0.0)
    small = replace(
        all_round, touches=replace(all_round.touches, offset=0.004 + 0 * all_round.touches.offset)
    )
    assert [f.kind for f in told(cells, all_round, small)] == ["dent"]
