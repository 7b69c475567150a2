"""Colours for what no frame saw: those around the axle, joined softly to what was seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import cg

Float32Array = NDArray[np.float32]

_BINS_M = 0.006
"""Side of the bins of radius and height in which colours are gathered around the axle."""
_MIN_SHARE = 0.1
"""Share of the vertices of a bin that must be seen for their colour to stand for the others'."""
_SMOOTHING = 8
"""Rounds of averaging over neighbours: bins leave lines."""
_REACH = 150.0
"""Edges of the mesh over which what was seen runs out into what was not; some 40 cm."""
_ROUNDS = 600
"""Most rounds of the solver."""


def fill_unseen(
    vertices: NDArray[np.floating[Any]],
    faces: NDArray[np.integer[Any]],
    colours: Float32Array,
    seen: NDArray[np.bool_],
    otherwise: NDArray[np.uint8],
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """Colours of all vertices.

    Args:
        vertices: ``(V, 3)`` in the tyre frame, metres.
        faces: ``(F, 3)``.
        colours: ``(V, 3)`` 0 to 255, of those that were seen.
        seen: ``(V,)`` which ones those are.
        otherwise: ``(V, 3)`` colours where nothing was seen around the axle either.

    Returns:
        ``(V, 3)`` colours; ``(V,)`` whether a colour that was not seen is that around the axle.
    """
    around, known = _around_axle(vertices, colours, seen)
    edges = _edges(faces, len(vertices))
    guess = _smoothed(edges, np.where(known[:, None], around, otherwise.astype(np.float32)))
    offset = np.where(seen[:, None], colours - guess, 0.0).astype(np.float64)
    offset[~seen] = _membrane(edges, offset, seen)
    filled = np.where(seen[:, None], colours, guess + offset)
    return np.clip(filled, 0.0, 255.0).astype(np.float32), known & ~seen


def _around_axle(
    vertices: NDArray[np.floating[Any]], colours: Float32Array, seen: NDArray[np.bool_]
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """Median colour ``(V, 3)`` seen at the same radius and height, and whether there is one."""
    radius = np.hypot(vertices[:, 0], vertices[:, 1])
    cells = np.stack([radius, vertices[:, 2] - vertices[:, 2].min()], axis=1) / _BINS_M
    index = cells.astype(np.int64)
    _, cell = np.unique(index[:, 0] * (index[:, 1].max() + 1) + index[:, 1], return_inverse=True)
    count = int(cell.max()) + 1
    share = np.bincount(cell, seen, count) / np.bincount(cell, minlength=count)
    out = np.zeros((count, 3), np.float32)
    rows = np.flatnonzero(seen)
    for channel in range(3):
        order = rows[np.lexsort((colours[rows, channel], cell[rows]))]
        starts = np.searchsorted(cell[order], np.arange(count))
        ends = np.append(starts[1:], len(order))
        occupied = ends > starts
        out[occupied, channel] = colours[order[(starts + ends)[occupied] // 2], channel]
    return out[cell], (share >= _MIN_SHARE)[cell]


def _edges(faces: NDArray[np.integer[Any]], count: int) -> csr_matrix:
    """``(V, V)`` with ones where vertices share an edge."""
    a, b = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    both = np.concatenate([a, b]), np.concatenate([b, a])
    edges = coo_matrix((np.ones(2 * len(a)), both), shape=(count, count)).tocsr()
    edges.data[:] = 1.0
    return edges


def _smoothed(edges: csr_matrix, values: Float32Array) -> Float32Array:
    """Values ``(V, 3)`` averaged with their neighbours'."""
    degree = np.maximum(np.asarray(edges.sum(axis=1)), 1.0)
    for _ in range(_SMOOTHING):
        values = (0.5 * (values + (edges @ values) / degree)).astype(np.float32)
    return values


def _membrane(
    edges: csr_matrix, values: NDArray[np.float64], fixed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """A membrane over the free vertices that hangs at the fixed ones and sinks to 0 far from them.

    Solves ``(degree (1 + 1 / REACH²) - edges) x = values of fixed neighbours`` by conjugate
    gradients, preconditioned by the diagonal.
    """
    free = np.flatnonzero(~fixed)
    rows = edges[free]
    inner, outer = rows[:, free], rows[:, np.flatnonzero(fixed)]
    degree = np.maximum(np.asarray(rows.sum(axis=1)).ravel(), 1.0) * (1.0 + _REACH**-2)
    system = diags(degree) - inner
    pulled = outer @ values[fixed]
    found = np.zeros((len(free), values.shape[1]))
    for channel in range(values.shape[1]):
        found[:, channel], _ = cg(
            system, pulled[:, channel], rtol=1e-3, maxiter=_ROUNDS, M=diags(1.0 / degree)
        )
    return found
