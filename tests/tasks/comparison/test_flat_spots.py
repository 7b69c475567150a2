"""Flat spots by roundness: found where the one tread dips and the other does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.comparison.flat_spots import BINS, Roundness, flat_spots
from tasks.surface.heights import SurfaceGrid
from tasks.surface.profile import OuterProfile
from tests.tasks.comparison.made import RADIUS, section

CONFIG = CompareConfig()
PIXEL_M = 0.001
LEAST_MM = CONFIG.min_spot_px * 1000 * PIXEL_M


@pytest.fixture(scope="module")
def grid() -> SurfaceGrid:
    return SurfaceGrid(OuterProfile(section(0.002)), columns=BINS, rows=200)


def tread(*dips: tuple[float, float, float], noise: float = 0.0) -> Roundness:
    """A round tread with dips: angle in degrees, width in degrees, depth in metres."""
    angle = (np.arange(BINS) + 0.5) * 360 / BINS
    height: NDArray[np.float64] = np.random.default_rng(0).normal(0.0, noise or 1e-9, BINS)
    for at, width, depth in dips:
        off = np.abs((angle - at + 180) % 360 - 180)
        height -= depth * np.clip(1 - (2 * off / width) ** 2, 0, None)
    return Roundness(height, np.full(BINS, 9))


@pytest.mark.parametrize("at", [90.0, 0.0, 359.0])
def test_place_length_and_depth_are_told(grid: SurfaceGrid, at: float) -> None:
    """The height of a parabola 14 degrees wide; a third of its depth is as wide as 11 of them."""
    (spot,), least = flat_spots(grid, tread(), tread((at, 14.0, 0.003)), PIXEL_M, CONFIG)
    assert (spot.angle_deg - at + 180) % 360 - 180 == pytest.approx(0.0, abs=0.6)
    assert spot.depth_mm == pytest.approx(3.0, abs=0.2)
    assert spot.length_mm == pytest.approx(11.3 * math.pi / 180 * 1000 * RADIUS, rel=0.15)
    assert 1000 * least == pytest.approx(LEAST_MM)
    assert spot.certainty > 0.9


def test_what_both_have_or_only_the_new_one_is_none(grid: SurfaceGrid) -> None:
    spotted = tread((90.0, 14.0, 0.003))
    assert flat_spots(grid, spotted, spotted, PIXEL_M, CONFIG)[0] == []
    assert flat_spots(grid, spotted, tread(), PIXEL_M, CONFIG)[0] == []


def test_the_deepest_comes_first(grid: SurfaceGrid) -> None:
    other = tread((90.0, 14.0, 0.003), (250.0, 14.0, 0.005))
    found, _ = flat_spots(grid, tread(), other, PIXEL_M, CONFIG)
    assert [round(spot.angle_deg) for spot in found] == [250, 90]


def test_noise_raises_what_is_told_from(grid: SurfaceGrid) -> None:
    """The same dip is told among quiet outlines and not among those that lie off by as much."""
    quiet, loud = (tread((90.0, 14.0, 0.003), noise=n) for n in (1e-5, 2e-3))
    assert len(flat_spots(grid, tread(), quiet, PIXEL_M, CONFIG)[0]) == 1
    found, least = flat_spots(grid, tread(), loud, PIXEL_M, CONFIG)
    assert found == []
    assert least > 0.003


def test_what_is_too_short_or_not_known_is_none(grid: SurfaceGrid) -> None:
    longer = CONFIG.model_copy(update={"min_spot_mm": 80.0})
    assert flat_spots(grid, tread(), tread((90.0, 14.0, 0.003)), PIXEL_M, longer)[0] == []
    unknown = Roundness(np.full(BINS, np.nan), np.zeros(BINS, np.int64))
    found, least = flat_spots(grid, tread(), unknown, PIXEL_M, CONFIG)
    assert found == []
    assert math.isnan(least)
