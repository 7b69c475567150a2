"""Dark lines stand out in the direction in which they run, blotches do not, nor does a seam."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.comparison.ridges import (
    darker_than_around,
    filtered,
    line_kernels,
    standing_out,
    without_dark_lines,
    without_mean,
)

SHAPE = (80, 200)
Float32Array = NDArray[np.float32]


def answers(image: Float32Array) -> Float32Array:
    kernels = line_kernels(column_mm=1.0, row_mm=1.0, length_mm=6.0, width_mm=1.5)
    return np.stack([filtered(image, kernel) for kernel in kernels])


def line(along_columns: bool, at: int = 0) -> Float32Array:
    """A dark line 30 long and 3 wide about the middle row and a column."""
    image = np.zeros(SHAPE, np.float32)
    high, wide = (3, 30) if along_columns else (30, 3)
    columns = np.arange(at - wide // 2, at - wide // 2 + wide) % SHAPE[1]
    image[40 - high // 2 : 40 - high // 2 + high, columns] = -1.0
    return image


@pytest.mark.parametrize(("along_columns", "direction"), [(True, 0), (False, 8)])
@pytest.mark.parametrize("at", [100, 0])
def test_a_line_answers_in_its_own_direction(along_columns: bool, direction: int, at: int) -> None:
    """Also across the seam, where the columns begin again."""
    found = answers(line(along_columns, at))
    assert int(found[:, 40, at].argmax()) == direction
    assert found[direction, 40, at] > 0.5
    assert found[(direction + 8) % 16, 40, at] < 0.2
    assert abs(found[:, 5, (at + 100) % SHAPE[1]]).max() < 1e-6


def test_a_blotch_is_alike_in_all_directions() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    blotch = -np.exp(-((y - 40) ** 2 + (x - 100) ** 2) / (2 * 3.0**2)).astype(np.float32)
    own, of_line = (without_mean(answers(i))[:, 40, 100].max() for i in (blotch, line(True, 100)))
    assert own < 0.05 * of_line


def test_a_step_is_dark_on_its_dark_side_alone() -> None:
    image = np.zeros(SHAPE, np.float32)
    image[:, 90:94] = 0.5
    image[:, 120:124] = -0.3
    dark = darker_than_around(image)
    assert dark.max() == 0.0
    assert dark[40, 122] == pytest.approx(-0.3, abs=0.02)
    assert np.abs(dark[:, 60:110]).max() < 0.02, "beside what is bright the ground is not dark"


def test_lines_are_closed_and_areas_stay() -> None:
    image = line(True, 100)
    image[10:30, 20:60] = -1.0
    closed = without_dark_lines(image, columns=9, rows=9)
    assert closed[40, 100] == 0.0
    assert closed[20, 40] == -1.0


def test_values_are_told_in_spreads_of_their_row() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, 1.0, SHAPE).astype(np.float32)
    values[10] *= 5.0
    values[20, 7] = values[10, 7] = 10.0
    usable = np.ones(SHAPE, np.bool_)
    usable[30] = False
    out = standing_out(values, usable, min_deviation=0.1)
    assert out[20, 7] == pytest.approx(10.0, rel=0.25)
    assert out[10, 7] == pytest.approx(2.0, rel=0.3), "a row that spreads more tells less"
    assert (out[30] == 0.0).all()
    assert standing_out(values, np.zeros(SHAPE, np.bool_), 0.1).any() == np.False_
    assert np.abs(standing_out(np.zeros(SHAPE, np.float32), usable, 0.1)).max() == 0.0
