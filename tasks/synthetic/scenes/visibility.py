"""Points on the part of a surface that can be seen from outside."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.geometry.ray_caster import RayCaster
from tasks.geometry.sphere import fibonacci_sphere
from tasks.synthetic.tyres.profile import FloatArray


class Triangles(Protocol):
    """Anything with vertices ``(V, 3)`` and faces ``(F, 3)``: a tyre, a ``trimesh.Trimesh``."""

    @property
    def vertices(self) -> ArrayLike:
        """Positions."""

    @property
    def faces(self) -> ArrayLike:
        """Vertex indices."""


def visible_surface(
    mesh: Triangles, n_points: int, seed: int, *, views: int = 96, distance: float = 3.0
) -> tuple[FloatArray, FloatArray]:
    """Area-uniform points of the surface that at least one of many viewpoints sees.

    Args:
        mesh: Closed or not; faces may be wound either way.
        n_points: Number of points to return.
        seed: Seed of the sampling.
        views: Number of viewpoints on a sphere about the bounding box's centre.
        distance: Radius of that sphere in largest sides of the bounding box.

    Returns:
        Points and unit normals, both ``(n_points, 3)``; a normal points to the side that is seen.

    Raises:
        ValueError: If next to nothing of the surface can be seen.
    """
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    corners = vertices[np.asarray(mesh.faces, dtype=np.int64)]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    side = float((high - low).max())
    eyes = (low + high) / 2 + distance * side * fibonacci_sphere(views)
    caster = RayCaster(vertices, np.asarray(mesh.faces, dtype=np.int64))
    rng = np.random.default_rng(seed)
    kept_points: list[FloatArray] = []
    kept_normals: list[FloatArray] = []
    missing = n_points
    for _ in range(20):
        count = 2 * missing + 256
        face = rng.choice(len(area), count, p=area / area.sum())
        weight = rng.dirichlet((1.0, 1.0, 1.0), count)
        points = np.einsum("nk,nkd->nd", weight, corners[face])
        normals = cross[face] / area[face, None]
        towards = _seen_from(caster, eyes, points, normals, 2e-4 * side)
        seen = towards != 0.0
        kept_points.append(points[seen])
        kept_normals.append(normals[seen] * towards[seen, None])
        missing -= int(np.count_nonzero(seen))
        if missing <= 0:
            break
    else:
        raise ValueError(f"only {n_points - missing} of {n_points} surface points could be seen")
    return np.concatenate(kept_points)[:n_points], np.concatenate(kept_normals)[:n_points]


def _seen_from(
    caster: RayCaster,
    eyes: FloatArray,
    points: FloatArray,
    normals: FloatArray,
    offset: float,
) -> NDArray[np.float64]:
    """Which side of each point some eye sees: +1 along its normal, -1 against it, 0 none."""
    towards = np.zeros(len(points))
    for eye in eyes:
        left = np.flatnonzero(towards == 0.0)
        if len(left) == 0:
            break
        ray = eye - points[left]
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        facing = np.einsum("ij,ij->i", ray, normals[left])
        steep = np.abs(facing) > 0.05
        left, ray, facing = left[steep], ray[steep], facing[steep]
        start = points[left] + offset * np.sign(facing)[:, None] * normals[left]
        free = ~caster.occluded(start, ray)
        towards[left[free]] = np.sign(facing[free])
    return towards
