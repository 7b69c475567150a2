"""The plane that a turning face lies in, from how matches between its frames move.

Seen from afar, points of a plane that turn by any angle about its axis move by an affine map, and
all these maps keep one point, where the axis meets the plane, and one ellipse, the image of the
circles about it. The ellipse tells from where the plane is seen. That is asked for here by linear
equations: ``L' M L = M`` for all maps ``L``. What does not turn keeps no such ellipse; outlines,
which a stand hides in part and whose width is not known, tell the axle far less well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.poses.sfm import Matches

FloatArray = NDArray[np.float64]

_FARTHEST = 4
"""Frames that lie farther apart have too few matches for an affine map that is right."""

_MOVED = (0.012, 0.5)
"""Matches move by so much, as shares of the tyre's size; less may be at rest, more is wrong."""

_NEAR = 0.005
"""A match agrees with a map to this share of the tyre's size."""

_AGREE = (12, 0.15)
"""Fewest matches that agree with a map, and their least share."""

_LEAST_TURN = math.radians(2.0)
_MOST_GROWN = 1.18
"""A turning plane's area keeps its size in the image, up to this factor."""

_LEAST_PAIRS = 8
"""With fewer maps nothing is told."""


@dataclass(frozen=True)
class TurningPlane:
    """A plane that turns, as it is seen from afar.

    Args:
        pivot: ``(2,)`` pixel that stays.
        tilt: ``(2,)`` unit vector in the image along which circles look shortened.
        slant: Angle between the plane's normal and the line of sight, radians.
    """

    pivot: FloatArray
    tilt: FloatArray
    slant: float


def find_turning_plane(
    matches: Sequence[Matches], position: Mapping[int, int], size_px: float
) -> TurningPlane | None:
    """The plane that most of what turns lies near.

    Args:
        matches: Matches as a camera at rest would see them.
        position: Each frame's place in the order of time, by index.
        size_px: The tyre's size in the image.

    Returns:
        None where too few pairs of frames agree on a turn.
    """
    rows, pivots = [], []
    for m in matches:
        if abs(position[m.second] - position[m.first]) > _FARTHEST:
            continue
        found = _affine_turn(m, size_px)
        if found is None:
            continue
        turn, pivot, support = found
        rows.append(np.sqrt(support) * _kept_ellipse(turn))
        pivots.append(pivot)
    if len(rows) < _LEAST_PAIRS:
        return None
    lengths, axes = np.linalg.eigh(_common_ellipse(np.stack(rows)))
    if lengths[0] <= 0:
        return None
    slant = float(np.arccos(np.sqrt(lengths[0] / lengths[1])))
    return TurningPlane(np.median(np.stack(pivots), axis=0), axes[:, 1], slant)


def _affine_turn(m: Matches, size_px: float) -> tuple[FloatArray, FloatArray, int] | None:
    """A pair's map ``(2, 2)`` of determinant 1, the pixel that it keeps, how many agree."""
    moved = np.linalg.norm(m.b - m.a, axis=1) / size_px
    moving = (moved > _MOVED[0]) & (moved < _MOVED[1])
    least = max(_AGREE[0], _AGREE[1] * int(moving.sum()))
    if moving.sum() < least:
        return None
    found, agree = cv2.estimateAffine2D(
        m.a[moving],
        m.b[moving],
        method=cv2.RANSAC,
        ransacReprojThreshold=_NEAR * size_px,
        maxIters=5000,
        confidence=0.999,
    )
    if found is None or agree.sum() < least:
        return None
    turn, shift = np.asarray(found[:, :2], np.float64), np.asarray(found[:, 2], np.float64)
    grown = float(np.linalg.det(turn))
    if not 1.0 / _MOST_GROWN < grown < _MOST_GROWN:
        return None
    if abs(float(np.trace(turn))) > 2.0 * math.sqrt(grown) * math.cos(_LEAST_TURN):
        return None  # no turn, or none that an ellipse keeps
    pivot = np.asarray(np.linalg.solve(np.eye(2) - turn, shift), np.float64)
    return turn / math.sqrt(grown), pivot, int(agree.sum())


def _kept_ellipse(turn: FloatArray) -> FloatArray:
    """Equations ``(3, 3)`` for the entries (xx, xy, yy) of the ellipse that a map keeps."""
    (a, b), (c, d) = turn
    return np.array(
        [
            [a * a - 1.0, 2.0 * a * c, c * c],
            [a * b, a * d + b * c - 1.0, c * d],
            [b * b, 2.0 * b * d, d * d - 1.0],
        ]
    )


def _common_ellipse(rows: FloatArray) -> FloatArray:
    """The matrix ``(2, 2)`` that solves most of the equations ``(K, 3, 3)``, robustly."""
    weights = np.ones(len(rows))
    entries = np.zeros(3)
    for _ in range(10):
        stacked = (rows * np.sqrt(weights)[:, None, None]).reshape(-1, 3)
        entries = np.linalg.svd(stacked)[2][-1]
        off = np.linalg.norm(rows @ entries, axis=1)
        weights = 1.0 / (1.0 + (off / (1.5 * float(np.median(off)) + 1e-12)) ** 2)
    xx, xy, yy = entries * (1.0 if entries[0] + entries[2] > 0 else -1.0)
    return np.array([[xx, xy], [xy, yy]])
