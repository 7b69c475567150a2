"""Rays against triangle meshes, by Embree: first hits, distances, occlusion.

The only module that imports Embree's wrapper. Rays and meshes are in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

CENTIMETRES = 100.0
"""A scale for meshes in metres: Embree's tolerances suit lengths around one."""
_NEVER = 1e30
"""Embree's distance of a ray that meets nothing is larger."""


@dataclass(frozen=True)
class Intersections:
    """The first hit of every ray.

    Args:
        face: ``(N,)`` int32 index of the face, -1 where the ray meets nothing; the other fields
            are undefined there, but for the distance.
        distance: ``(N,)`` along the ray, infinite where it meets nothing.
        u: ``(N,)`` weight of the face's second corner.
        v: ``(N,)`` weight of its third corner.
        normal: ``(N, 3)`` of the face, of any length and on either side.
    """

    face: NDArray[np.int32]
    distance: Float32Array
    u: Float32Array
    v: Float32Array
    normal: Float32Array


class RayCaster:
    """Casts rays at a triangle mesh.

    Args:
        vertices: ``(V, 3)``.
        faces: ``(F, 3)``.
        scale: What lengths are multiplied by on their way to Embree, whose tolerances suit lengths
            around one; results are in the lengths of the vertices.
    """

    def __init__(
        self,
        vertices: NDArray[np.floating[Any]],
        faces: NDArray[np.integer[Any]],
        *,
        scale: float = 1.0,
    ) -> None:
        self._scale = scale
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(
            self._scene, self._scaled(vertices), np.ascontiguousarray(faces, np.int32)
        )

    def intersect(
        self, origins: NDArray[np.floating[Any]], directions: NDArray[np.floating[Any]]
    ) -> Intersections:
        """First hits of rays: origins ``(N, 3)``, unit directions ``(N, 3)``."""
        found = self._scene.run(
            self._scaled(origins), np.ascontiguousarray(directions, np.float32), output=1
        )
        return Intersections(
            found["primID"], self._unscaled(found["tfar"]), found["u"], found["v"], found["Ng"]
        )

    def distances(
        self, origins: NDArray[np.floating[Any]], directions: NDArray[np.floating[Any]]
    ) -> Float32Array:
        """Distances ``(N,)`` to the first hits, infinite where there is none."""
        found = self._scene.run(
            self._scaled(origins), np.ascontiguousarray(directions, np.float32), query="DISTANCE"
        )
        return self._unscaled(np.asarray(found, np.float32))

    def occluded(
        self,
        origins: NDArray[np.floating[Any]],
        directions: NDArray[np.floating[Any]],
        reach: float | Float32Array = _NEVER,
    ) -> NDArray[np.bool_]:
        """Whether rays meet anything.

        Args:
            origins: ``(N, 3)``.
            directions: ``(N, 3)`` unit.
            reach: How far from its origin a ray is followed, one or ``(N,)``.

        Returns:
            ``(N,)``.
        """
        reaches = np.full(len(origins), reach, np.float32)
        if self._scale != 1.0:
            reaches *= np.float32(self._scale)
        found = self._scene.run(
            self._scaled(origins),
            np.ascontiguousarray(directions, np.float32),
            dists=reaches,
            query="OCCLUDED",
        )
        return np.asarray(found) >= 0  # a number of the mesh, -1 where nothing is in the way

    def _scaled(self, lengths: NDArray[np.floating[Any]]) -> Float32Array:
        if self._scale != 1.0:
            lengths = lengths * self._scale
        return np.ascontiguousarray(lengths, np.float32)

    def _unscaled(self, distances: Float32Array) -> Float32Array:
        met = distances < _NEVER
        if self._scale != 1.0:
            distances = distances / np.float32(self._scale)
        return np.where(met, distances, np.float32(np.inf))
