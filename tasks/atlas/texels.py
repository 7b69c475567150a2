"""Which face of a mesh each texel of its texture shows, and where on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.atlas.layout import Layout
from tasks.geometry.ray_caster import RayCaster

Float32Array = NDArray[np.float32]

_ROWS = 256
"""Rows of texels that rays are cast for at a time."""


@dataclass(frozen=True)
class Texels:
    """The texels that show a face.

    Args:
        at: ``(T,)`` int64 index in the flattened texture.
        corners: ``(T, 3)`` int32, vertices of the mesh at the corners of the face.
        weights: ``(T, 3)`` float32, of these corners; their sum is one.
    """

    at: NDArray[np.int64]
    corners: NDArray[np.int32]
    weights: Float32Array

    def mixed(self, values: NDArray[np.floating]) -> Float32Array:
        """Values at vertices ``(V, ...)``, at the texels ``(T, ...)``."""
        out = np.zeros((len(self.at), *values.shape[1:]), np.float32)
        for k in range(3):
            weight = self.weights[:, k].reshape(-1, *[1] * (values.ndim - 1))
            out += weight * values[self.corners[:, k]]
        return out


def find_texels(layout: Layout, height_m: NDArray[np.floating]) -> Texels:
    """Look straight down on the unrolled mesh at the middle of every texel.

    Args:
        layout: The mesh's layout.
        height_m: ``(W,)`` of the laid-out vertices, by which the uppermost of faces that lie on
            each other is found.
    """
    top = float(np.ptp(height_m)) + 1.0
    flat = np.concatenate([layout.uv, (height_m - height_m.max())[:, None]], axis=1)
    # what lies beyond the right edge lies again at the left
    beyond = layout.uv[layout.faces, 0].max(axis=1) > layout.width
    repeated = flat - np.array([layout.width, 0.0, 0.0])
    faces = np.concatenate([layout.faces, layout.faces[beyond] + len(flat)])
    owner = np.concatenate([np.arange(len(layout.faces)), np.flatnonzero(beyond)])
    caster = RayCaster(np.concatenate([flat, repeated]), faces)
    down = np.array([0.0, 0.0, -1.0], np.float32)
    found = []
    for first in range(0, layout.height, _ROWS):
        rows = np.arange(first, min(first + _ROWS, layout.height))
        v, u = np.meshgrid(rows + 0.5, np.arange(layout.width) + 0.5, indexing="ij")
        origins = np.stack([u.ravel(), v.ravel(), np.full(u.size, top)], axis=1)
        met = caster.intersect(origins, np.broadcast_to(down, origins.shape))
        hit = np.flatnonzero(met.face >= 0)
        face = layout.faces[owner[met.face[hit]]]
        second, third = met.u[hit], met.v[hit]
        weights = np.stack([1.0 - second - third, second, third], axis=1)
        found.append((hit + first * layout.width, layout.source[face], weights))
    at, corners, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Texels(at, corners.astype(np.int32), weights.astype(np.float32))
