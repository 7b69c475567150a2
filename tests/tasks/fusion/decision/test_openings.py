"""Openings that a field does not believe in are closed, all others are left."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.fusion.decision.openings import close_openings
from tasks.fusion.grid import CylinderGrid, Field, make_grid

RADIUS = 0.33
DISC = slice(18, 23)
"""Nodes along the axle that the disc fills."""


def grid() -> CylinderGrid:
    return make_grid(RADIUS, 0.1, steps=64, angles=180)


def disc() -> Field:
    """A disc across the axle, and nothing else within the rim."""
    field = np.full(grid().shape, -6.0, np.float32)
    field[:, :, DISC] = 4.0
    return field


def hole(
    field: Field, rows: slice, degrees: tuple[int, int], log_odds: float, nodes: slice = DISC
) -> NDArray[np.bool_]:
    """Take a piece out of the disc, and put so much likelihood there; its columns ``(R, T)``."""
    columns = np.zeros(field.shape[:2], np.bool_)
    columns[rows, np.arange(degrees[0] // 2, degrees[1] // 2) % field.shape[1]] = True
    field[columns] = -6.0
    part = field[columns]
    part[:, nodes] = log_odds
    field[columns] = part
    return columns


def openings(field: Field, log_odds: float = -3.0) -> NDArray[np.bool_]:
    """Five large openings."""
    found = np.zeros(field.shape[:2], np.bool_)
    for k in range(5):
        found |= hole(field, slice(20, 40), (72 * k + 20, 72 * k + 60), log_odds)
    return found


def is_open(field: Field) -> NDArray[np.bool_]:
    return np.asarray(field.max(axis=2) <= 0.0)


@pytest.mark.parametrize("degrees", [(2, 12), (-6, 6), (360, 368)])
def test_a_slit_in_a_spoke_is_closed_at_the_depth_of_the_spoke(degrees: tuple[int, int]) -> None:
    """Two hundredths from even odds at seven nodes: one of them is matter, for certain."""
    field = disc()
    true = openings(field)
    slit = hole(field, slice(22, 34), degrees, -0.4, slice(16, 25))
    closed = close_openings(grid(), field, radius=RADIUS)
    np.testing.assert_array_equal(is_open(closed), true)
    np.testing.assert_array_equal(closed[~slit], field[~slit])
    solid = closed[slit] > 0
    assert (solid[:, DISC].sum(axis=1) >= 4).all()
    outside = np.ones(field.shape[2], np.bool_)
    outside[DISC] = False
    assert not solid[:, outside].any()


@pytest.mark.parametrize(("log_odds", "closed"), [(-1.1, True), (-1.5, False)])
def test_a_slit_as_long_as_its_spoke_is_told_by_the_wheel_s_openings(
    log_odds: float, closed: bool
) -> None:
    """Half as large as an opening; matter in 92 of 100 columns, or 84, where openings have 82."""
    field = disc()
    true = openings(field, log_odds=-0.9)
    slit = hole(field, slice(20, 40), (-8, 12), log_odds, slice(16, 25))
    found = is_open(close_openings(grid(), field, radius=RADIUS))
    np.testing.assert_array_equal(found, true if closed else true | slit)


def test_a_small_opening_that_is_believed_stays_open() -> None:
    field = disc()
    openings(field)
    hole(field, slice(22, 30), (2, 12), -3.0)
    np.testing.assert_array_equal(close_openings(grid(), field, radius=RADIUS), field)


def test_openings_as_large_as_the_others_stay_open_however_unsure() -> None:
    field = disc()
    openings(field, log_odds=-0.3)
    np.testing.assert_array_equal(close_openings(grid(), field, radius=RADIUS), field)


def test_a_small_opening_no_likelier_solid_than_large_ones_stays_open() -> None:
    field = disc()
    openings(field, log_odds=-0.3)
    hole(field, slice(22, 30), (2, 12), -0.3)
    np.testing.assert_array_equal(close_openings(grid(), field, radius=RADIUS), field)


def test_the_bore_of_the_hub_and_what_is_no_rim_stay_open() -> None:
    field = disc()
    openings(field)
    hole(field, slice(0, 5), (0, 360), -0.3)
    hole(field, slice(50, 54), (0, 12), -0.3)
    np.testing.assert_array_equal(close_openings(grid(), field, radius=RADIUS), field)


def test_fragments_say_nothing() -> None:
    """A rim of many small holes, all unsure, and a few large ones."""
    field = disc()
    hole(field, slice(20, 40), (20, 60), -3.0)
    for k in range(12):
        hole(field, slice(20, 32), (100 + 20 * k, 112 + 20 * k), -0.3)
    np.testing.assert_array_equal(close_openings(grid(), field, radius=RADIUS), field)


def test_a_disc_has_nothing_to_close() -> None:
    np.testing.assert_array_equal(close_openings(grid(), disc(), radius=RADIUS), disc())
