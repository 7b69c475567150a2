"""Textureless faces: discs and covers on which photos are consistent at every depth.

A plane sweep cannot match what has no texture, but its edges give the depth: at its true depth a
textureless disc is textureless all around in every frame, up to its edges; on a plane before or
behind it the frames look past those edges. So the section of the face is the curve along which most
circles are textureless, found by dynamic programming as scan lines are in stereo (Ohta and Kanade,
Stereo by intra- and inter-scanline search using dynamic programming, IEEE TPAMI 7, 1985).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from tasks.fusion.grid import CylinderGrid, Field

MIN_TEXTURELESS = 0.85
"""Textureless share of a circle from which it counts."""

TEXTURED_CONSISTENCY = 0.1
"""Mean photo consistency around a circle from which photos alone give its surface's depth."""

SURE_PROBABILITY = 0.95
"""Probability of matter from which the network alone decides a circle."""

DEPTH_NODES = 2
"""Nodes behind a face that are solid, and before it that are empty."""

POSITION_STD = 0.7
"""Standard deviation of a face's position along the axle, nodes."""

MIN_PROBABILITY = 0.1
"""Probability of matter below which there is nothing that could be a face."""

MIN_SPAN = 0.12
"""Shortest face in outer radii: a smaller textureless patch looks so at many depths."""

MAX_RADIUS_SHARE = 0.8
"""Share of the outer radius up to which a face is looked for; beyond, there is rubber."""

PROBABILITY_WEIGHT = 0.05
"""Gain of a circle that is sure to be matter, in units of a textureless one's."""

STEP_COST = 0.15
"""Cost of a step along the axle between neighbouring circles, in units of a circle's gain."""


@dataclass(frozen=True)
class TexturelessFace:
    """The section of a textureless face.

    Args:
        position: ``(R,)`` node along the axle.
        certainty: ``(R,)`` how surely a textureless face runs there, 0 to 1: 0 where photos are
            consistent on a surface, and for faces shorter than :data:`MIN_SPAN`.
    """

    position: NDArray[np.intp]
    certainty: NDArray[np.float32]

    def surface_and_side(self, grid: CylinderGrid, side: int) -> tuple[Field, Field]:
        """Where its surface runs, and on which side of it there is matter.

        Args:
            grid: The common grid.
            side: +1 for a face towards +z, -1 for the other.

        Returns:
            ``(R, Z)`` 0 to 1 on the surface, and ``(R, Z)`` 0 to 1 behind it, to -1 before it.
        """
        ahead = side * (np.arange(len(grid.heights)) - self.position[:, None])
        along = np.exp(-0.5 * (ahead / POSITION_STD) ** 2)
        solid = np.where(ahead > 0, -1.0, 1.0) * ((ahead > -DEPTH_NODES) & (ahead <= DEPTH_NODES))
        certainty = self.certainty[:, None]
        return np.asarray(certainty * along, np.float32), np.asarray(certainty * solid, np.float32)


def find_textureless_face(
    grid: CylinderGrid, textureless: Field, consistency: Field, probability: Field, radius: float
) -> TexturelessFace:
    """The curve through the textureless circles of a face, from the axle outwards.

    Args:
        grid: The common grid.
        textureless: ``(R, Z)`` textureless share of every circle, 0 to 1.
        consistency: ``(R, Z)`` photo consistency, which fixes the face at its edges.
        probability: ``(R, Z)`` probability of matter, which decides where nothing else does.
        radius: Outer radius in metres.
    """
    plain = np.clip((textureless - MIN_TEXTURELESS) / (1.0 - MIN_TEXTURELESS), 0.0, 1.0)
    textured = np.clip(consistency / TEXTURED_CONSISTENCY, 0.0, 1.0)
    rows = int(np.searchsorted(grid.radii, MAX_RADIUS_SHARE * radius))
    gain = np.maximum(plain, textured) + PROBABILITY_WEIGHT * probability
    position = np.zeros(len(grid.radii), np.intp)
    position[:rows] = _best_path(gain[:rows])
    position[rows:] = position[rows - 1]
    certainty = plain[np.arange(len(position)), position]
    highest = probability.max(axis=1)
    certainty *= np.clip((SURE_PROBABILITY - highest) / 0.05, 0.0, 1.0) * np.clip(
        highest / MIN_PROBABILITY - 1.0, 0.0, 1.0
    )
    certainty *= np.clip(2.0 - consistency.max(axis=1) / (0.5 * TEXTURED_CONSISTENCY), 0.0, 1.0)
    certainty[rows:] = 0.0
    certainty[~_long_enough(certainty > 0, MIN_SPAN * radius / grid.step)] = 0.0
    return TexturelessFace(position, certainty.astype(np.float32))


def _best_path(gain: Field) -> NDArray[np.intp]:
    """Column ``(R,)`` of every row of ``gain`` for the greatest sum less the cost of steps."""
    rows, columns = gain.shape
    steps = np.arange(-2, 3)
    at = np.arange(columns)[:, None] + steps
    possible, at = (at >= 0) & (at < columns), at.clip(0, columns - 1)
    total = gain[0].astype(np.float64)
    came_from = np.zeros((rows, columns), np.intp)
    for row in range(1, rows):
        before = np.where(possible, total[at], -np.inf) - STEP_COST * np.abs(steps)
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
    labels, count = label(found)
    lengths = np.bincount(labels, minlength=count + 1)
    lengths[0] = 0
    return np.asarray(lengths[labels] >= least)
