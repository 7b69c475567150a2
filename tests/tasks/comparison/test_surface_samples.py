"""Heights that outlines show, away from the ground."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.comparison.surface_samples import Measured
from tasks.surface.contour_generators import Touches
from tasks.surface.heights import Heights


def measured(*, lowest_deg: float = 180.0) -> Measured:
    """Ten rows of 36 angles, as high as their row in millimetres; a touch at every ten degrees."""
    height = np.repeat(np.arange(10.0)[:, None] / 1000, 36, axis=1)
    height[0, 0] = np.nan
    column = np.arange(36.0)
    touches = Touches(
        row=np.full(36, 3.4),
        column=column,
        offset=np.full(36, 5e-4),
        frame=np.arange(36),
        pixel_m=np.full(36, 1e-3),
        around=column / 36,
    )
    return Measured(Heights(height, np.isfinite(height)), touches, lowest_deg)


def test_what_has_no_height_lies_on_the_profile() -> None:
    assert measured().surface[0, 0] == 0
    assert measured().surface[4, 7] == 0.004


@pytest.mark.parametrize("lowest", [180.0, 0.0, 350.0])
def test_touches_near_the_lowest_point_are_left_out(lowest: float) -> None:
    """Angles are those of the columns' middles: 5°, 15°, …"""
    found = measured(lowest_deg=lowest).above_ground(35.0)
    off = np.abs((found.angle_deg - lowest + 180) % 360 - 180)
    assert off.min() > 35
    assert len(found.row) == sum(
        abs((10 * k + 5 - lowest + 180) % 360 - 180) > 35 for k in range(36)
    )
    np.testing.assert_array_equal(found.angle_deg, 10 * found.frame + 5)
    np.testing.assert_allclose(found.around, found.frame / 36)


def test_heights_are_the_meshs_with_the_offset_less_what_turns() -> None:
    found = measured().above_ground(0.0)
    np.testing.assert_allclose(found.height, 0.003 + 5e-4)
    turning = np.tile(np.arange(36) / 1e4, (10, 1))
    less = measured().above_ground(0.0, turning)
    np.testing.assert_allclose(less.height, found.height - less.frame / 1e4)
    np.testing.assert_allclose(less.offset, 5e-4)
