"""Normals at the vertices of a triangle mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def vertex_normals(
    vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Unit normals, weighted by the area of the faces around; zero where these have no area.

    Args:
        vertices: ``(V, 3)``.
        faces: ``(F, 3)``, wound outwards.

    Returns:
        ``(V, 3)``, outwards.
    """
    corners = vertices[faces].astype(np.float64)  # (F, 3, 3)
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            sums[:, axis] += np.bincount(
                faces[:, corner], weights=weighted[:, axis], minlength=len(vertices)
            )
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-300))
