"""What is known of one tyre's surface: its mesh, and where outlines touch it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.angles import wrapped_deg
from tasks.surface.contour_generators import Touches
from tasks.surface.heights import Heights

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TouchedHeights:
    """Heights of the surface that outlines show, over the grid's profile.

    Args:
        row: ``(T,)`` of the grid.
        angle_deg: ``(T,)`` clockwise from the top, 0 to 360.
        height: ``(T,)`` metres.
        offset: ``(T,)`` how far they lie above the mesh, metres.
        frame: ``(T,)`` the frame.
        around: ``(T,)`` as :attr:`Touches.around`.
    """

    row: FloatArray
    angle_deg: FloatArray
    height: FloatArray
    offset: FloatArray
    frame: NDArray[np.int64]
    around: FloatArray


@dataclass(frozen=True)
class Measured:
    """What is known of one tyre's surface.

    Args:
        heights: The heights of its mesh.
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

    def above_ground(self, hidden_deg: float, turning: FloatArray | float = 0.0) -> TouchedHeights:
        """What outlines show where the ground is not near.

        Args:
            hidden_deg: Outlines this close to the lowest point show the ground.
            turning: ``(rows, columns)`` what is taken off the heights, metres.
        """
        t, height = self.touches, self.surface - turning
        rows, columns = height.shape
        angle = (t.column + 0.5) * 360.0 / columns % 360.0
        off = np.abs(wrapped_deg(angle - self.lowest_deg))
        used = off > hidden_deg
        at = (
            np.clip(np.rint(t.row[used]).astype(int), 0, rows - 1),
            np.rint(t.column[used]).astype(int) % columns,
        )
        return TouchedHeights(
            t.row[used],
            angle[used],
            height[at] + t.offset[used],
            t.offset[used],
            t.frame[used],
            t.around[used],
        )
