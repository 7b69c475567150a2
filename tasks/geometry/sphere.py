"""Directions: evenly spread ones, and tangents to one.

Source of Fibonacci's lattice: Swinbank and Purser, Fibonacci grids, Q. J. R. Meteorol. Soc. 132,
2006.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
FloatT = TypeVar("FloatT", np.float32, np.float64)


def fibonacci_sphere(count: int) -> FloatArray:
    """Unit directions ``(count, 3)`` evenly over the sphere, from +z down to -z."""
    k = np.arange(count, dtype=np.float64) + 0.5
    return _spiral(k, 1.0 - 2.0 * k / count)


def fibonacci_half_sphere(count: int) -> FloatArray:
    """Unit directions ``(count, 3)`` evenly over the half sphere z > 0, from the rim up."""
    k = np.arange(count, dtype=np.float64)
    return _spiral(k, (k + 0.5) / count)


def _spiral(turns: FloatArray, z: FloatArray) -> FloatArray:
    """Directions ``(N, 3)`` at heights ``z``, turned by so many golden angles about the axis."""
    angle = turns * math.pi * (3.0 - math.sqrt(5.0))
    radius = np.sqrt(1.0 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def tangents(direction: NDArray[FloatT]) -> NDArray[FloatT]:
    """Two unit vectors ``(2, 3)`` that form a right-handed frame with a unit direction ``(3,)``."""
    axis = np.eye(3, dtype=direction.dtype)[int(np.abs(direction).argmin())]
    first = np.cross(direction, axis)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first)])
