"""Dark lines of images whose columns go round, and how far they stand out.

A line is found by the second derivative across it, averaged along it, in every direction
(Freeman and Adelson, The design and use of steerable filters, PAMI 13, 1991): a cut has that shape,
the blotches of dirt about it have not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

_DIRECTIONS = 16
_AROUND_PX, _STEPS = 31, np.float32(100.0)
"""Side of the surroundings; levels per unit of brightness that their median is told in."""
_MIN_COLUMNS = 100
"""Columns of a row that must be known for its deviation to be."""


def line_kernels(
    column_mm: float, row_mm: float, length_mm: float, width_mm: float
) -> Iterator[Float32Array]:
    """Kernels that answer to dark lines, one for every direction.

    Args:
        column_mm: From one column to the next.
        row_mm: From one row to the next.
        length_mm: Sigma along the line.
        width_mm: Sigma across it.
    """
    reach = math.ceil(3 * length_mm / min(column_mm, row_mm))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    x, y = x * column_mm, y * row_mm
    for direction in np.arange(_DIRECTIONS) * (math.pi / _DIRECTIONS):
        along = x * math.cos(direction) + y * math.sin(direction)
        across = y * math.cos(direction) - x * math.sin(direction)
        q = np.square(across / width_mm)
        kernel = (q - 1) * np.exp(-0.5 * (q + np.square(along / length_mm)))
        kernel -= kernel.mean()
        yield np.asarray(2 * kernel / np.abs(kernel).sum(), np.float32)


def filtered(image: Float32Array, kernel: Float32Array) -> Float32Array:
    """The answer of a kernel at every pixel."""
    pad = kernel.shape[1] // 2
    out = cv2.filter2D(_around(image, pad), cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(out[:, pad:-pad], np.float32)


def without_mean(answers: Float32Array) -> Float32Array:
    """The answers in each direction less what is common to all directions.

    Args:
        answers: ``(directions, H, W)``.
    """
    return np.asarray(answers - answers.mean(axis=0), np.float32)


def dilated(image: NDArray[np.floating[Any]], side: int) -> Float32Array:
    """The largest value in a square of so many pixels about each pixel."""
    grown = cv2.dilate(_around(image, side), np.ones((side, side), np.uint8))
    return np.asarray(grown[:, side:-side], np.float32)


def blurred(image: NDArray[np.floating[Any]], sigma: float) -> Float32Array:
    """The image, blurred."""
    pad = int(4 * sigma) + 1
    return np.asarray(cv2.GaussianBlur(_around(image, pad), (0, 0), sigma)[:, pad:-pad], np.float32)


def darker_than_around(image: Float32Array) -> Float32Array:
    """How far the image lies below the median of its surroundings; what is brighter is 0.

    Beside what is bright, such as a letter, the ground is then no dark line.

    Args:
        image: Logarithmic brightness about 0.
    """
    steps = np.clip(np.rint(image * _STEPS) + 128, 0, 255).astype(np.uint8)
    wide = np.pad(steps, ((0, 0), (_AROUND_PX, _AROUND_PX)), mode="wrap")
    median = cv2.medianBlur(wide, _AROUND_PX)[:, _AROUND_PX:-_AROUND_PX]
    return np.minimum(image - (median.astype(np.float32) - 128) / _STEPS, np.float32(0.0))


def without_dark_lines(image: Float32Array, columns: int, rows: int) -> Float32Array:
    """The image without what is dark and narrower than an ellipse of so many pixels."""
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (columns | 1, rows | 1))
    closed = cv2.morphologyEx(_around(image, 2 * columns), cv2.MORPH_CLOSE, ellipse)
    return np.asarray(closed[:, 2 * columns : -2 * columns], np.float32)


def standing_out(
    values: Float32Array,
    usable: NDArray[np.bool_],
    min_deviation: float,
    away: Float32Array | None = None,
) -> Float32Array:
    """How far values lie from the median of their row, in robust deviations; 0 where not usable.

    The deviation is the median absolute one, scaled to the standard deviation of a normal
    distribution; it is at least that of all rows, and as given. What goes round, such as the edge
    of a circle that lies off, raises that of its row and of no other.

    Args:
        values: ``(H, W)`` what the rows' medians and deviations are taken of.
        usable: ``(H, W)``.
        min_deviation: Where a tyre is clean and smooth, hardly anything differs by chance.
        away: ``(H, W)`` what is given in these deviations instead of the distance from the median.
    """
    out = np.zeros(values.shape, np.float32)
    if not usable.any():
        return out
    medians = [np.median(row[m]) if m.any() else 0.0 for row, m in zip(values, usable, strict=True)]
    rest = values - np.array(medians)[:, None]
    normal = NormalDist().inv_cdf(0.75)
    least = max(float(np.median(np.abs(rest[usable]))) / normal, min_deviation)
    distance = rest if away is None else away
    for k, known in enumerate(usable):
        if known.sum() >= _MIN_COLUMNS:
            deviation = max(float(np.median(np.abs(rest[k, known]))) / normal, least)
            out[k, known] = distance[k, known] / deviation
    return out


def _around(image: NDArray[np.floating[Any]], pad: int) -> Float32Array:
    """The image with some of its columns repeated at both ends."""
    return np.pad(np.asarray(image, np.float32), ((0, 0), (pad, pad)), mode="wrap")
