"""Even faces: discs and covers on which the photos agree at every depth, and so at none.

What shows nothing to compare is not without evidence. At its true depth an even disc is even all
around in every frame, up to its edges; on a plane before or behind it the frames look past those
edges. So the circles that are even, taken together over the radius, tell the depth: the section
of the face is the curve along which most circles are even.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from tasks.fusion.grid import CylinderGrid, Field

LEAST_EVEN = 0.85
"""Share of a circle from which its evenness counts."""

TEXTURED = 0.1
"""Mean agreement around a circle from which photos alone tell where its surface is."""

KNOWN = 0.95
"""Probability of matter from which the network knows a circle by itself."""

DEEP = 2
"""Nodes behind a face that are solid, and before it that are empty."""

BLUR = 0.7
"""Standard deviation of a face's place, nodes."""

LEAST_CHANCE = 0.1
"""Probability of matter below which the network sees nothing there that could be a face."""

LEAST_SPAN = 0.12
"""Shortest face in outer radii: before a smaller even patch many a depth looks even."""

WITHIN = 0.8
"""Share of the outer radius up to which a face is looked for; beyond, there is rubber."""

CHANCE = 0.05
"""Worth of a sure circle of the network's, against an even one."""

BEND = 0.15
"""Cost of a step along the axle from one circle to the next, for the evenness of one circle."""


@dataclass(frozen=True)
class EvenFace:
    """The section of an even face.

    Args:
        place: ``(R,)`` node along the axle.
        sure: ``(R,)`` how surely an even face runs there, 0 to 1: 0 where photos agree on a
            surface, and for faces shorter than they can be told from.
    """

    place: NDArray[np.intp]
    sure: NDArray[np.float32]

    def pull(self, grid: CylinderGrid, side: int) -> tuple[Field, Field]:
        """Where its surface runs, and on which side of it there is matter.

        Args:
            grid: The common grid.
            side: +1 for a face towards +z, -1 for the other.

        Returns:
            ``(R, Z)`` 0 to 1 on the surface, and ``(R, Z)`` 0 to 1 behind it, to -1 before it.
        """
        ahead = side * (np.arange(len(grid.heights)) - self.place[:, None])
        along = np.exp(-0.5 * (ahead / BLUR) ** 2)
        solid = np.where(ahead > 0, -1.0, 1.0) * ((ahead > -DEEP) & (ahead <= DEEP))
        sure = self.sure[:, None]
        return np.asarray(sure * along, np.float32), np.asarray(sure * solid, np.float32)


def find_face(
    grid: CylinderGrid, even: Field, agreed: Field, chance: Field, radius: float
) -> EvenFace:
    """The curve through the even circles of a face, by dynamic programming from the axle outwards.

    Args:
        grid: The common grid.
        even: ``(R, Z)`` share of every circle that is even.
        agreed: ``(R, Z)`` agreement of the photos, which holds the face at its edges.
        chance: ``(R, Z)`` probability of matter, which decides where nothing else does.
        radius: Outer radius in metres.
    """
    sure = np.clip((even - LEAST_EVEN) / (1.0 - LEAST_EVEN), 0.0, 1.0)
    held = np.clip(agreed / TEXTURED, 0.0, 1.0)
    rows = int(np.searchsorted(grid.radii, WITHIN * radius))
    place = np.zeros(len(grid.radii), np.intp)
    place[:rows] = _best_path((np.maximum(sure, held) + CHANCE * chance)[:rows])
    place[rows:] = place[rows - 1]
    found = sure[np.arange(len(place)), place]
    most = chance.max(axis=1)
    found *= np.clip((KNOWN - most) / 0.05, 0.0, 1.0) * np.clip(most / LEAST_CHANCE - 1.0, 0.0, 1.0)
    found *= np.clip(2.0 - agreed.max(axis=1) / (0.5 * TEXTURED), 0.0, 1.0)
    found[rows:] = 0.0
    found[~_long_enough(found > 0, LEAST_SPAN * radius / grid.step)] = 0.0
    return EvenFace(place, found.astype(np.float32))


def _best_path(gain: Field) -> NDArray[np.intp]:
    """Column of every row of ``gain`` so that their sum, less what bends cost, is greatest."""
    rows, columns = gain.shape
    steps = np.arange(-2, 3)
    at = np.arange(columns)[:, None] + steps
    possible, at = (at >= 0) & (at < columns), at.clip(0, columns - 1)
    total = gain[0].astype(np.float64)
    came_from = np.zeros((rows, columns), np.intp)
    for row in range(1, rows):
        before = np.where(possible, total[at], -np.inf) - BEND * np.abs(steps)
        best = before.argmax(axis=1)
        came_from[row] = at[np.arange(columns), best]
        total = gain[row] + before[np.arange(columns), best]
    path = np.zeros(rows, np.intp)
    path[-1] = total.argmax()
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path


def _long_enough(found: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Which rows are part of a run of at least ``least``."""
    names, count = label(found)
    lengths = np.bincount(names, minlength=count + 1)
    lengths[0] = 0
    return np.asarray(lengths[names] >= least)
