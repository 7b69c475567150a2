"""Rigid registration of corresponding points: Kabsch's method.

Source: Kabsch, A solution for the best rotation to relate two sets of vectors, Acta Cryst. A32,
1976; the reflection is excluded as by Umeyama, IEEE TPAMI 13, 1991.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def nearest_rotation(matrix: FloatArray) -> FloatArray:
    """The rotation ``(3, 3)`` with the largest ``trace(rotation.T @ matrix)``."""
    u, _, vt = np.linalg.svd(matrix)
    d = np.sign(np.linalg.det(u @ vt))
    return np.asarray(u @ np.diag([1.0, 1.0, d]) @ vt)


def rigid_fit(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The motion that carries source points to target points best in the least-squares sense.

    Args:
        source: ``(N, 3)``.
        target: ``(N, 3)``, in the order of the source.

    Returns:
        Rotation ``(3, 3)`` and translation ``(3,)``: ``target = rotation @ source + translation``.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    rotation = nearest_rotation((source - source_mean).T @ (target - target_mean)).T
    return rotation, target_mean - rotation @ source_mean
