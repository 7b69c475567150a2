"""Charts of what a surface of revolution does not unroll: the rim, the inner side.

Every face is seen from one of six sides: along the axle, along the radius, or around. Faces that
hang together and are seen from the same side are a chart, laid flat as that side sees it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from tasks.geometry.angles import wrapped

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SMOOTHINGS = 20
"""Rounds in which what a side sees of a face is averaged with its neighbours: charts with even
borders, of which a level of detail must keep every vertex."""
_VOTES = 10
"""Rounds in which a face may then take the side of its neighbours: fewer and larger charts."""
_OWN = 0.6
"""Weight of a face's own side among its three neighbours'."""
_LEAST = 0.3
"""Cosine to its side that a face has at least: the texture is not drawn out farther."""
_SMALL, _JOINED = 60, 4
"""Charts of fewer faces join a neighbour, in so many rounds, if its side sees all of them."""


@dataclass(frozen=True)
class Charts:
    """Faces cut into charts that lie side by side, pixels from their common left and top edge.

    Args:
        uv: ``(W, 2)``.
        source: ``(W,)`` vertices of the mesh that these are copies of.
        faces: ``(F, 3)`` of ``uv``.
        height: What all charts take, pixels.
        count: Number of charts.
    """

    uv: FloatArray
    source: IntArray
    faces: IntArray
    height: int
    count: int


def cut_into_charts(
    vertices: NDArray[np.floating[Any]],
    faces: NDArray[np.integer[Any]],
    *,
    width: int,
    texel_m: float,
    gutter_px: int,
) -> Charts:
    """Cut faces into charts.

    Args:
        vertices: ``(V, 3)`` in the tyre frame, metres.
        faces: ``(F, 3)``.
        width: Pixels that the charts may take beside each other; wider ones are made smaller.
        texel_m: Side of a pixel, metres.
        gutter_px: Pixels between two charts.
    """
    quarter, beside = _quarters(vertices, faces), _beside(faces)
    seen = _cosines(vertices, faces)
    side = _joined(_sides(seen, beside), seen, beside, quarter)
    chart = _connected(side, beside, quarter)
    keys, written = np.unique(
        chart[:, None] * len(vertices) + faces.astype(np.int64), return_inverse=True
    )
    written = written.reshape(faces.shape)
    source, chart_of = keys % len(vertices), keys // len(vertices)
    side_of = np.zeros(chart.max() + 1, np.int64)
    side_of[chart] = side
    flat = _flattened(vertices[source], side_of[chart_of], chart_of) / texel_m
    low, high = _boxes(flat, chart_of)
    fit = np.minimum(1.0, (width - gutter_px - 1.0) / np.maximum(high[:, 0] - low[:, 0], 1e-9))
    flat = (flat - low[chart_of]) * fit[chart_of, None]
    sizes = np.ceil((high - low) * fit[:, None]).astype(np.int64) + gutter_px
    positions, height = _packed(sizes, width)
    uv = flat + positions[chart_of] + gutter_px / 2
    return Charts(uv, source, written, height, len(sizes))


def _frames(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit vectors ``(N, 3)`` along the radius and around, at points."""
    angle = np.arctan2(points[:, 1], points[:, 0])
    zero = np.zeros(len(points))
    out = np.stack([np.cos(angle), np.sin(angle), zero], axis=1)
    around = np.stack([-np.sin(angle), np.cos(angle), zero], axis=1)
    return out, around


def _cosines(vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]) -> FloatArray:
    """Cosines ``(F, 6)`` of faces to six sides: 0, 1 along the axle, 2, 3 the radius, 4, 5 around.

    Even sides look against the direction, odd ones along it.
    """
    corners = vertices[faces].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    out, around = _frames(corners.mean(axis=1))
    cosines = [normal[:, 2], (normal * out).sum(axis=1), (normal * around).sum(axis=1)]
    return np.stack([s * c for c in cosines for s in (1.0, -1.0)], axis=1)


def _sides(seen: FloatArray, beside: csr_matrix) -> IntArray:
    """The side ``(F,)`` that sees a face and those about it best, never nearly edge on.

    Args:
        seen: ``(F, 6)`` cosines of the faces to the sides.
        beside: ``(F, F)`` which faces share an edge.
    """
    count = np.maximum(np.asarray(beside.sum(axis=1)), 1.0)
    smoothed = seen
    for _ in range(_SMOOTHINGS):
        smoothed = 0.5 * (smoothed + beside @ smoothed / count)
    possible = seen > _LEAST  # of three directions across each other one is nearer than 55 degrees
    side = np.where(possible, smoothed, -2.0).argmax(axis=1)
    for _ in range(_VOTES):
        votes = beside @ np.eye(6)[side] + _OWN * smoothed
        side = np.where(possible, votes, -2.0).argmax(axis=1)
    return np.asarray(side, np.int64)


def _joined(side: IntArray, seen: FloatArray, beside: csr_matrix, quarter: IntArray) -> IntArray:
    """The sides ``(F,)`` after small charts took that of a larger one beside them."""
    pairs = beside.tocoo()
    for _ in range(_JOINED):
        chart = _connected(side, beside, quarter)
        size = np.bincount(chart)
        across = chart[pairs.row] != chart[pairs.col]
        own, other = chart[pairs.row[across]], pairs.col[across]
        votes = np.zeros((len(size), 6))
        np.add.at(votes, (own, side[other]), np.sqrt(size[chart[other]]))
        least = np.full((len(size), 6), np.inf)
        np.minimum.at(least, chart, seen)
        votes[least <= 0.0] = 0.0
        joins = ((size < _SMALL) & (votes.max(axis=1) > 0.0))[chart]
        side = np.where(joins, votes.argmax(axis=1)[chart], side)
    return side


def _quarters(vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]) -> IntArray:
    """The quarter ``(F,)`` of a turn that a face lies in, from 0."""
    middle = vertices[faces].mean(axis=1)
    angle = np.arctan2(middle[:, 1], middle[:, 0])
    return np.asarray(np.floor(angle / (math.pi / 2)).astype(np.int64) + 2)


def _beside(faces: NDArray[np.integer[Any]]) -> csr_matrix:
    """``(F, F)`` which faces share an edge."""
    ends = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64), axis=1)
    key = ends[:, 0] * (int(faces.max()) + 1) + ends[:, 1]
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    a, b = order[same] // 3, order[same + 1] // 3
    both = np.concatenate([a, b]), np.concatenate([b, a])
    return coo_matrix((np.ones(2 * len(a)), both), shape=(len(faces), len(faces))).tocsr()


def _connected(side: IntArray, beside: csr_matrix, quarter: IntArray) -> IntArray:
    """The chart ``(F,)`` of each face: those that share edges and a side.

    Where the side is along the radius, rings are cut into quarters.
    """
    label = side + 6 * np.where(side // 2 == 1, quarter, 0)
    pairs = beside.tocoo()
    kept = label[pairs.row] == label[pairs.col]
    graph = coo_matrix((pairs.data[kept], (pairs.row[kept], pairs.col[kept])), shape=beside.shape)
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, np.int64)


def _flattened(points: NDArray[np.floating[Any]], side: IntArray, chart: IntArray) -> FloatArray:
    """Points ``(N, 3)`` as their side sees them, ``(N, 2)`` metres to the right and down."""
    radius = np.hypot(points[:, 0], points[:, 1])
    count = np.bincount(chart)
    mean = (np.bincount(chart, radius) / count)[chart]
    angle = np.arctan2(points[:, 1], points[:, 0])
    # around the chart's mean direction, so that no chart is cut at half a turn
    x, y = (np.bincount(chart, f(angle)) for f in (np.cos, np.sin))
    towards = np.arctan2(y, x)[chart]
    turned = wrapped(angle - towards)
    z = points[:, 2]
    sign = np.where(side % 2 == 0, 1.0, -1.0)
    across = np.choose(side // 2, [points[:, 0], -turned * mean, radius])
    down = np.choose(side // 2, [-points[:, 1], z, z])
    return np.stack([sign * across, down], axis=1)


def _boxes(flat: FloatArray, chart: IntArray) -> tuple[FloatArray, FloatArray]:
    """Least and greatest coordinates ``(K, 2)`` of every chart."""
    order = np.argsort(chart, kind="stable")
    starts = np.flatnonzero(np.diff(chart[order], prepend=-1))
    low = np.minimum.reduceat(flat[order], starts, axis=0)
    high = np.maximum.reduceat(flat[order], starts, axis=0)
    return low, high


def _packed(sizes: IntArray, width: int) -> tuple[FloatArray, int]:
    """Positions ``(K, 2)`` of boxes on shelves, the highest first, and the height of all."""
    positions = np.zeros(sizes.shape)
    x = y = shelf = 0
    for k in np.lexsort((-sizes[:, 0], -sizes[:, 1])):
        across, down = (int(v) for v in sizes[k])
        if x + across > width:
            x, y, shelf = 0, y + shelf, 0
        positions[k] = (x, y)
        x += across
        shelf = max(shelf, down)
    return positions, y + shelf
