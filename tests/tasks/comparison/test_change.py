"""The change all round the tyre, from outlines that touch some heights more than others."""

from __future__ import annotations

import numpy as np
import pytest

from configs.comparison import CompareConfig
from tasks.comparison.align import Alignment
from tasks.comparison.change import Zone, change_between, tread_rows
from tasks.comparison.surface_samples import Measured
from tasks.geometry.similarity import Similarity
from tasks.surface.heights import grid_on
from tests.tasks.comparison.made import FloatArray, scan, touched

CONFIG = CompareConfig()
GRID = grid_on(scan().profile, CONFIG.step_mm / 1000)
FIRST, LAST = tread_rows(GRID)
IN_PLACE = Alignment(
    Similarity(1.0, np.eye(3), np.zeros(3)), "sidewall-markings", scale_sd=0.0, registration_mm=0.0
)


def worn(row: FloatArray) -> FloatArray:
    """Nothing at the inner edge of the tread, 4 mm at the outer one."""
    return -0.004 * (row - FIRST) / (LAST - 1 - FIRST)


def outlined(*, other: bool, unseen: slice = slice(0)) -> Measured:
    """Outlines touch both edges of the tread a hundred times as often as what is between."""
    rows = np.delete(np.arange(FIRST, LAST), unseen)
    often = np.where((rows == FIRST) | (rows == LAST - 1), 300, 3)
    row = np.repeat(rows, often).astype(float)
    angle = np.random.default_rng(4).uniform(-120.0, 120.0, len(row)) % 360
    return touched(GRID, np.stack([row, angle, worn(row) if other else 0 * row], axis=1))


def zones(other: Measured) -> list[Zone]:
    return change_between(GRID, outlined(other=False), other, IN_PLACE, CONFIG).zones


def test_a_zone_is_told_as_wide_as_it_is_not_by_its_edge() -> None:
    told = [zone.mean_change_mm for zone in zones(outlined(other=True))]
    assert told == pytest.approx([-0.4, -1.2, -2.0, -2.8, -3.6], abs=0.1)


def test_heights_that_no_outline_touches_follow_those_beside() -> None:
    """As in a hollow that the shoulders hide."""
    hidden = slice((LAST - FIRST) // 2 - 4, (LAST - FIRST) // 2 + 4)
    told = zones(outlined(other=True, unseen=hidden))
    assert told[2].mean_change_mm == pytest.approx(-2.0, abs=0.1)


def test_an_axle_that_lies_off_is_no_wear() -> None:
    """Though the ground hides a part of the tyre, so that it does not average out."""
    other = outlined(other=True)
    turn = np.radians((other.touches.column + 0.5) * 360 / GRID.columns)
    other.touches.offset[:] += 0.002 * np.cos(turn) + 0.001 * np.sin(turn)
    told = [zone.mean_change_mm for zone in zones(other)]
    assert told == pytest.approx([-0.4, -1.2, -2.0, -2.8, -3.6], abs=0.15)


def test_a_tyre_that_lies_off_along_its_axle_is_not_worn_at_one_shoulder() -> None:
    """Its sidewalls tell, which lie off as well."""
    rows = np.arange(FIRST - 20, LAST + 20)
    row = np.repeat(rows, 12).astype(float)
    angle = np.random.default_rng(4).uniform(-120.0, 120.0, len(row)) % 360
    off = [0.0, 0.002]  # metres towards the outer face
    sides = [
        touched(GRID, np.stack([row, angle, o * GRID.normals[row.astype(int), 1]], axis=1))
        for o in off
    ]
    told = [z.mean_change_mm for z in change_between(GRID, *sides, IN_PLACE, CONFIG).zones]
    assert told == pytest.approx([0.0] * 5, abs=0.1)


def test_what_a_frame_is_off_counts_once_however_many_heights_it_shows() -> None:
    sharp, other = zones(outlined(other=True)), outlined(other=True)
    rest = np.random.default_rng(3).normal(0.0, 0.001, 10)
    other.touches.offset[:] += rest[other.touches.frame]
    off = zones(other)
    for a, b in zip(sharp, off, strict=True):
        # ten frames of 1 mm: 1.96 * 1.25 / sqrt(10), and what both have anyway
        assert b.lod95_mm - a.lod95_mm == pytest.approx(0.78, abs=0.35)
