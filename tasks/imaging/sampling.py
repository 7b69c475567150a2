"""Bilinear samples of images at any positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]

_COLUMNS, _ROWS = 4096, 8192
"""Positions go to ``cv2.remap`` as images of this size: it takes at most 32767 rows or columns."""


def sample_bilinear(image: Float32Array, pixels: FloatArray, *, outside: float) -> Float32Array:
    """Sample an image that has a value beyond its frame.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` float32.
        pixels: ``(N, 2)``; the centre of the top-left pixel is (0.5, 0.5).
        outside: Value beyond the frame; an infinite one comes back as not finite.

    Returns:
        ``(N,)`` or ``(N, 3)`` float32.
    """
    positions = np.clip(pixels - 0.5, -10.0, 32000.0)
    return _remapped(image, positions, cv2.BORDER_CONSTANT, (outside,) * 4)


def sample_repeating(image: Float32Array, x: Float32Array, y: Float32Array) -> Float32Array:
    """Sample an image that repeats.

    Args:
        image: ``(H, W, C)`` float32.
        x: ``(N,)`` columns; the centre of the top-left pixel is (0, 0).
        y: ``(N,)`` rows.

    Returns:
        ``(N, C)`` float32.
    """
    return _remapped(image, np.stack([x, y], axis=1), cv2.BORDER_WRAP, (0.0,) * 4)


def _remapped(
    image: Float32Array,
    positions: NDArray[np.floating],
    border: int,
    value: Sequence[float],
) -> Float32Array:
    """Samples at positions ``(N, 2)``, the centre of the top-left pixel at (0, 0)."""
    count = len(positions)
    rows = max(1, math.ceil(count / _COLUMNS))
    flat = np.zeros((rows * _COLUMNS, 2), np.float32)
    flat[:count] = positions
    grid = flat.reshape(rows, _COLUMNS, 2)
    out = np.empty((rows, _COLUMNS, *image.shape[2:]), np.float32)
    for first in range(0, rows, _ROWS):
        block = grid[first : first + _ROWS]
        out[first : first + _ROWS] = cv2.remap(
            image,
            np.ascontiguousarray(block[..., 0]),
            np.ascontiguousarray(block[..., 1]),
            cv2.INTER_LINEAR,
            borderMode=border,
            borderValue=value,
        )
    return out.reshape(rows * _COLUMNS, *image.shape[2:])[:count]
