"""A mesh of fewer faces, and how far it is from the one that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.mesh.glb_reader import FloatArray

_AGGRESSIVENESS = 3.0
"""How fast the bound of a collapse's error grows: half of the library's default, a third more time
for errors that are smaller by a third."""
_TAKEN_BACK = 8
"""How often collapses are taken back; once or twice is enough for tyres."""
_WIDER = 1.15
"""By so much cells are made wider, as long as too many faces are left."""
_REACH_M = 0.005
_PER_METRE = 10.0
"""Rays start so far off a surface; Embree is told of lengths in so many parts of a metre."""


@dataclass(frozen=True)
class Simplified:
    """A mesh of fewer faces.

    Args:
        vertices: ``(V, 3)`` metres.
        faces: ``(F, 3)`` int32.
        origin: ``(N,)`` for each vertex of the full mesh the one here that it was merged into.
    """

    vertices: FloatArray
    faces: NDArray[np.int32]
    origin: NDArray[np.int64]

    def mean_of(self, values: FloatArray) -> FloatArray:
        """The means of what the full mesh's vertices ``(N,)`` or ``(N, C)`` have, merged alike."""
        columns = values.reshape(len(values), -1)
        count = np.maximum(np.bincount(self.origin, minlength=len(self.vertices)), 1)
        sums = [
            np.bincount(self.origin, weights=column, minlength=len(self.vertices))
            for column in columns.T
        ]
        return np.stack([s / count for s in sums], axis=1).reshape(-1, *values.shape[1:])

    def nearest(self, full: FloatArray) -> NDArray[np.int64]:
        """The nearest of the full mesh's vertices that were merged into each one here, ``(V,)``.

        What cannot be averaged is taken from there.

        Args:
            full: ``(N, 3)`` vertices of the full mesh.
        """
        distance = np.linalg.norm(full - self.vertices[self.origin], axis=1)
        order = np.lexsort((-distance, self.origin))  # the nearest last, and so written last
        found = np.zeros(len(self.vertices), np.int64)
        found[self.origin[order]] = order
        return found


@dataclass(frozen=True)
class Deviation:
    """Distances of the full mesh's vertices from the simplified surface, millimetres."""

    mean_mm: float
    p99_mm: float
    max_mm: float


def simplify(full: Simplified, target_faces: int) -> Simplified:
    """Collapse edges by quadric error until so many faces are left, or a few more.

    Borders stay where they are, so that charts of a texture do not come apart. Collapses after
    which more than two faces would meet at an edge are taken back: a closed surface stays closed.

    Args:
        full: A mesh as it is (:func:`unsimplified`), or one that was simplified before, of which
            fewer faces are wanted; vertices at one position are one vertex of the surface.
        target_faces: Faces that are wanted; a mesh that has no more is returned as it is.

    Source: Garland and Heckbert, Surface simplification using quadric error metrics, SIGGRAPH 97.
    """
    import fast_simplification

    if len(full.faces) <= target_faces:
        return full
    *_, collapses = fast_simplification.simplify(
        full.vertices,
        full.faces,
        target_count=target_faces,
        agg=_AGGRESSIVENESS,
        return_collapses=True,
        preserve_border=True,
    )
    for _ in range(_TAKEN_BACK):
        points, triangles, origin = fast_simplification.replay_simplification(
            full.vertices, full.faces, collapses
        )
        pinched = _pinched(points, triangles)
        if not pinched.any():
            break
        collapses = collapses[~pinched[origin[collapses]].any(axis=1)]
    return Simplified(
        np.asarray(points, np.float64),
        np.asarray(triangles, np.int32),
        np.asarray(origin, np.int64)[full.origin],
    )


def cluster(full: Simplified, target_faces: int) -> Simplified:
    """Merge all vertices of a cell of a grid, of cells so wide that so many faces are left at most.

    Unlike :func:`simplify` it gets as far as it is told with any mesh, a torn one too, and pays
    with holes that close, parts that melt together, and edges at which more than two faces meet.

    Args:
        full: As of :func:`simplify`.
        target_faces: Most faces.

    Source: Rossignac and Borrel, Multi-resolution 3D approximations for rendering complex scenes,
    Modeling in Computer Graphics, 1993.
    """
    corners = full.vertices[full.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = 0.5 * float(np.linalg.norm(across, axis=1).sum())
    cell, found = float(np.sqrt(area / max(target_faces, 1))), full
    while len(found.faces) > target_faces:
        cells = np.floor((full.vertices - full.vertices.min(axis=0)) / cell).astype(np.int64)
        _, cell_of = np.unique(cells, axis=0, return_inverse=True)
        cell_of = cell_of.reshape(-1)
        faces = cell_of[full.faces]
        _, once = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
        faces = faces[np.sort(once)]
        faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
        merged = Simplified(full.vertices[: cell_of.max() + 1], faces.astype(np.int32), cell_of)
        points = merged.mean_of(full.vertices)
        found = Simplified(points, merged.faces, cell_of[full.origin])
        cell *= _WIDER
    return found


def unsimplified(vertices: FloatArray, faces: NDArray[np.int32]) -> Simplified:
    """A mesh that stands for itself: ``(N, 3)`` vertices and ``(F, 3)`` faces."""
    return Simplified(vertices, faces, np.arange(len(vertices)))


def edge_counts(
    vertices: FloatArray, faces: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """How many faces meet at each edge, vertices at one position taken as one.

    Returns:
        For each vertex its position, ``(V,)``; edges as pairs of positions, ``(E, 2)``; ``(E,)``
        faces.
    """
    _, position = np.unique(vertices, axis=0, return_inverse=True)
    position = position.reshape(-1)
    corners = position[faces]
    edges = np.sort(np.concatenate([corners[:, [i, (i + 1) % 3]] for i in range(3)]), axis=1)
    number, count = np.unique(edges @ np.array([len(vertices), 1]), return_counts=True)
    return position, np.stack(np.divmod(number, len(vertices)), axis=1), count


def _pinched(vertices: FloatArray, faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Vertices ``(V,)`` of edges at which more than two faces meet."""
    position, edges, count = edge_counts(vertices, faces)
    return np.isin(position, edges[count > 2])


def deviation(
    full: FloatArray, normals: FloatArray, simple: Simplified, positions: FloatArray
) -> Deviation:
    """How far a mesh's vertices are from the surface that stands for it.

    Measured along their normals, either way, and no farther than the vertices that they were merged
    into: at most so far, for the nearest point may lie aside.

    Args:
        full: ``(N, 3)`` vertices of the mesh, metres.
        normals: ``(N, 3)`` its unit normals.
        simple: What stands for it.
        positions: ``(V, 3)`` where its vertices are written.
    """
    from tasks.geometry.ray_caster import RayCaster

    off = np.linalg.norm(full - positions[simple.origin], axis=1)
    caster = RayCaster(positions, simple.faces, scale=_PER_METRE)
    for way in (normals, -normals):
        along = caster.distances(full - _REACH_M * way, way).astype(np.float64)
        off = np.minimum(off, np.abs(along - _REACH_M))
    return deviation_of(off)


def deviation_of(metres: FloatArray) -> Deviation:
    """Mean, 99th percentile and most of distances ``(N,)``."""
    millimetres = 1000.0 * metres
    return Deviation(
        float(millimetres.mean()),
        float(np.percentile(millimetres, 99)),
        float(millimetres.max()),
    )
