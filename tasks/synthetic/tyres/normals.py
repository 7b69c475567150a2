"""Vertex normals that are smooth over smooth surfaces and split at creases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.tyres.profile import FloatArray
from tasks.synthetic.tyres.shapes import Mesh


def split_creases(
    mesh: Mesh, *, cosine: float = 0.80
) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Split the vertices of a mesh where its faces meet at a crease.

    Args:
        mesh: A closed mesh without split vertices.
        cosine: Faces of one vertex whose normals agree better than this share a normal.

    Returns:
        Vertices ``(V', 3)``, faces ``(F, 3)`` in the same order, unit normals ``(V', 3)``.
    """
    t = mesh.vertices[mesh.faces]
    area = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    size = np.linalg.norm(area, axis=1)
    unit = area / np.maximum(size, 1e-30)[:, None]
    n_vertices, n_faces = len(mesh.vertices), len(mesh.faces)
    by_size = np.argsort(size, kind="stable")
    vertex = mesh.faces[by_size].reshape(-1)  # (3F,)
    face = np.repeat(by_size, 3)
    group = np.empty(3 * n_faces, dtype=np.int64)
    open_ = np.arange(3 * n_faces)
    passes = 4
    for k in range(passes):
        v, f = vertex[open_], face[open_]
        lead = np.zeros(n_vertices, dtype=np.int64)
        lead[v] = f  # the largest face is written last and leads
        near = np.einsum("ij,ij->i", unit[f], unit[lead[v]]) > cosine
        group[open_[near]] = v[near] + k * n_vertices
        open_ = open_[~near]
        if len(open_) == 0:
            break
    group[open_] = passes * n_vertices + open_
    used = np.zeros(passes * n_vertices + 3 * n_faces, dtype=bool)
    used[group] = True
    new = np.cumsum(used) - 1
    corner = np.asarray(new[group], dtype=np.int64)
    count = int(new[-1]) + 1
    source = np.empty(count, dtype=np.int64)
    source[corner] = vertex
    normals = np.stack(
        [np.bincount(corner, weights=area[face, a], minlength=count) for a in range(3)], axis=1
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.maximum(length, 1e-30)
    faces = np.empty((n_faces, 3), dtype=np.int64)
    faces[by_size] = corner.reshape(-1, 3)
    return mesh.vertices[source], faces, normals
