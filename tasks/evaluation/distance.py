"""Distance from points to a triangle mesh, to its surface rather than to samples of it."""

from __future__ import annotations

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]


class SurfaceDistance:
    """Finds the nearest points of a mesh's surface.

    Samples alone would set a floor: 30,000 on a tyre stand a centimetre apart, so that even the
    same surface sampled twice is half a centimetre from itself. The samples only propose
    triangles, together with the middles of all, for a fine mesh has more triangles than there are
    samples; the distance is to the triangle.

    Args:
        mesh: Closed or not.
        samples: Area-uniform samples that propose triangles.
        seed: Seed of the sampling.
    """

    def __init__(self, mesh: trimesh.Trimesh, samples: int = 100_000, seed: int = 1) -> None:
        points, face = trimesh.sample.sample_surface(mesh, samples, seed=seed)
        self.samples: FloatArray = np.asarray(points, np.float64)
        self._triangles = np.asarray(mesh.triangles, np.float64)
        self._face = np.concatenate([np.asarray(face, np.int64), np.arange(len(self._triangles))])
        self._tree = cKDTree(np.concatenate([self.samples, self._triangles.mean(axis=1)]))
        self._normals = np.asarray(mesh.face_normals, np.float64)

    def query(
        self, points: FloatArray, candidates: int = 8
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Nearest points of the surface.

        Args:
            points: ``(N, 3)``.
            candidates: Nearest samples whose triangles are tried.

        Returns:
            ``(N,)`` distances, ``(N, 3)`` nearest points, ``(N, 3)`` normals of their triangles.
        """
        _, near = self._tree.query(points, k=candidates)
        face = self._face[near]  # (N, k)
        repeated = np.repeat(points, candidates, axis=0)
        found = np.asarray(
            trimesh.triangles.closest_point(  # type: ignore[no-untyped-call]
                self._triangles[face.ravel()], repeated
            )
        )
        distance = np.linalg.norm(found - repeated, axis=1).reshape(-1, candidates)
        best = distance.argmin(axis=1)
        rows = np.arange(len(points))
        nearest = found.reshape(-1, candidates, 3)[rows, best]
        return distance[rows, best], nearest, self._normals[face[rows, best]]
