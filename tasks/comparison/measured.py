"""What is known of one tyre's surface: its mesh, and where outlines touch it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.comparison.outlines import Touches
from tasks.comparison.robust import robust_sd
from tasks.comparison.surface import Heights

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TouchedHeights:
    """Heights of the surface that outlines show, over the grid's profile.

    Args:
        row: ``(T,)`` of the grid.
        angle_deg: ``(T,)`` clockwise from the top, 0 to 360.
        height: ``(T,)`` metres.
        frame: ``(T,)`` the frame.
        around: ``(T,)`` as :attr:`Touches.around`.
    """

    row: FloatArray
    angle_deg: FloatArray
    height: FloatArray
    frame: NDArray[np.int64]
    around: FloatArray


@dataclass(frozen=True)
class Measured:
    """What is known of one tyre's surface.

    Args:
        heights: Of its mesh.
        touches: Where its outlines touch the mesh.
        lowest_deg: Angle that looks to the ground, degrees.
    """

    heights: Heights
    touches: Touches
    lowest_deg: float

    @property
    def surface(self) -> FloatArray:
        """``(rows, columns)`` heights of the mesh, 0 where it has none."""
        return np.nan_to_num(self.heights.height)

    @property
    def pixel_m(self) -> float:
        """What a pixel of its film covers, metres."""
        return float(np.median(self.touches.pixel_m)) if len(self.touches.row) else math.nan

    @property
    def misfit_m(self) -> float:
        """Robust standard deviation of the outlines' distance from the mesh, metres."""
        offset = self.touches.offset
        return robust_sd(offset, 0.0) if len(offset) else math.nan

    def above_ground(self, hidden_deg: float, turning: FloatArray | float = 0.0) -> TouchedHeights:
        """What outlines show where the ground is not near.

        Args:
            hidden_deg: Outlines this close to the lowest point show the ground.
            turning: ``(rows, columns)`` what is taken off the heights, metres.
        """
        t, height = self.touches, self.surface - turning
        rows, columns = height.shape
        angle = (t.column + 0.5) * 360.0 / columns % 360.0
        off = np.abs((angle - self.lowest_deg + 180) % 360 - 180)
        used = off > hidden_deg
        at = (
            np.clip(np.rint(t.row[used]).astype(int), 0, rows - 1),
            np.rint(t.column[used]).astype(int) % columns,
        )
        return TouchedHeights(
            t.row[used],
            angle[used],
            height[at] + t.offset[used],
            t.frame[used],
            t.around[used],
        )
