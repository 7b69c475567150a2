"""Evenly spread directions: Fibonacci's lattice on the sphere.

Source: Swinbank and Purser, Fibonacci grids, Q. J. R. Meteorol. Soc. 132, 2006.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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
