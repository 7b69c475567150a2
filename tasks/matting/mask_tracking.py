"""Where the tyre must be in a frame whose neighbours agree: a mask elsewhere is of something else.

The square about the tyre moves slowly from frame to frame. Through its place and size goes a robust
local line (Cleveland, Robust locally weighted regression and smoothing scatterplots, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.crop import Crop

FloatArray = NDArray[np.float64]

_REACH = 15
"""Frames on either side that tell of a frame: something before the tyre may hide it in a dozen."""

_LEAST = 8
"""Frames, of all of them, and with a say in one, below which nothing is told."""

_FAR = 0.35
"""From where on a square is another: shares of its side that it is moved by, or its logarithm."""

_AGREEING = 0.6
"""Share of the frames that must agree with their neighbours."""

_ROUNDS = 6


def squares_missed(squares: Sequence[Crop | None]) -> dict[int, Crop]:
    """The squares in which the tyre should be looked for again, by the frames' positions.

    Args:
        squares: About what was found in frames that follow each other; None where nothing was.

    Returns:
        Nothing where so many frames disagree with their neighbours that these are none: photos
        taken here and there, for example.
    """
    there = np.array([i for i, square in enumerate(squares) if square is not None])
    if len(there) < _LEAST:
        return {}
    found = np.array([(s.cx, s.cy, np.log(s.side)) for s in squares if s is not None])
    unit = np.array([1.0, 1.0, 0.0]) * np.exp(np.median(found[:, 2])) + [0.0, 0.0, 1.0]
    found /= unit
    trust = _near(found - _running_median(found, there))
    for _ in range(_ROUNDS):
        expected = np.array([_line_at(i, there, found, trust) for i in there])
        trust = _near(found - expected)
    if np.mean(trust > 0) < _AGREEING:
        return {}
    missed = {}
    own = dict(zip(there.tolist(), trust, strict=True))
    for i in range(len(squares)):
        if own.get(i, 0.0) > 0:
            continue
        at = _line_at(i, there, found, trust)
        if np.isfinite(at).all():
            x, y, size = at * unit
            missed[i] = Crop(float(x), float(y), float(np.exp(size)))
    return missed


def is_alike(square: Crop | None, expected: Crop) -> bool:
    """Whether a square is where, and as large as, the neighbours of its frame let one expect."""
    if square is None:
        return False
    off = np.array([square.cx - expected.cx, square.cy - expected.cy, 0.0]) / expected.side
    off[2] = np.log(square.side / expected.side)
    return bool(_near(off[None])[0] > 0)


def _near(off: FloatArray) -> FloatArray:
    """How much a square counts that is off by ``(N, 3)``: Tukey's biweight."""
    away = np.abs(off).max(axis=1) / _FAR
    return np.where(away < 1, (1 - away**2) ** 2, 0.0)


def _running_median(values: FloatArray, at: NDArray[np.int_]) -> FloatArray:
    return np.array([np.median(values[np.abs(at - i) <= _REACH], axis=0) for i in at])


def _line_at(
    position: int, at: NDArray[np.int_], values: FloatArray, trust: FloatArray
) -> FloatArray:
    """The line through trusted values near a position, there; NaN where there are too few."""
    away = (at - position) / (_REACH + 1.0)
    weight = np.clip(1 - np.abs(away) ** 3, 0, None) ** 3 * trust
    if np.count_nonzero(weight > 0) < _LEAST:
        return np.full(values.shape[1], np.nan)
    root = np.sqrt(weight)[:, None]
    terms = np.column_stack([np.ones_like(away), away])
    line, *_ = np.linalg.lstsq(root * terms, root * values, rcond=None)
    return np.asarray(line[0])
