"""Openings of a rim that the fused field does not believe in are closed.

Where frames agree that there is a spoke, but not how deep it lies, its probability is spread over
several nodes along the axle. None of them reaches even odds, so that the surface has a slit, though
one of them holds matter almost for certain. Through a true opening nearly nothing is expected
anywhere. A single column along the axle does not tell one from the other, since at the border of a
true opening matter is as likely as in a slit; a whole opening does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt
from scipy.special import logit

from tasks.fusion.decision.components import label_around
from tasks.fusion.grid import CylinderGrid, Field

RADII = (0.1, 0.72)
"""Openings lie between these shares of the outer radius; within is the bore of the hub."""

MIN_EXPECTED = 0.87
"""Mean probability that there is matter along the axle, below which no opening is closed. On
generated wheels of seeds that nothing was trained on slits had 0.87 to 1.00, large openings 0.60
to 0.97; true openings that are very small reached 0.99, and are lost."""

MORE_THAN_LARGE = 0.5
"""By so many log-odds that probability is above that of the large openings."""

LARGE = 0.65
"""Share of the usual opening's area from which one is large, and no slit: those of a wheel are
alike. The usual one is the median by area, which slits hardly count in, nor two that hang together.
A slit from a spoke's root to its end reached 0.58."""

SMALL = 0.45
"""The same below which one may be a fragment."""

MIN_LARGE = 0.7
"""Share of all openings' area that those have which are not small. With less the openings are in
fragments, of which none tells what it is."""

_LEAST = 2.5
"""Nodes that a wall is thick at least."""

_SLOPE, _INSIDE = 1.0, 3.0
"""Log-odds that a wall gains with each node from its faces, and the most that it has."""

_ROUNDS = 200
"""Rounds in which the faces of a wall are evened between those around it."""


def close_openings(grid: CylinderGrid, field: Field, *, radius: float) -> Field:
    """Close the openings that hold matter by the field's own probabilities.

    A wall is put in that goes on what is around it: a spoke's two halves, its root and its end.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` float32 log-odds of matter, right on average.
        radius: Outer radius, metres.

    Returns:
        ``(R, T, Z)`` float32 log-odds.
    """
    low, high = RADII
    within = (grid.radii > low * radius) & (grid.radii < high * radius)
    openings = label_around((field.max(axis=2) <= 0.0) & within[:, None], np.ones((3, 3)))
    columns = openings.ravel()
    radii = np.broadcast_to(grid.radii[:, None], openings.shape).ravel()
    area = np.asarray(np.bincount(columns, radii)[1:], np.float64)
    if not len(area):
        return field
    # of the logarithm, for a product of many factors below one
    nothing = np.exp(-np.logaddexp(0.0, field).sum(axis=2)).ravel()
    expected = np.bincount(columns, radii * (1.0 - nothing))[1:] / np.maximum(area, 1e-9)
    share = area / _median_by_area(area)
    if area[share >= SMALL].sum() < MIN_LARGE * area.sum():
        return field
    large = share >= LARGE
    usual = float(np.average(expected[large], weights=area[large]))
    least = max(logit(MIN_EXPECTED), logit(usual) + MORE_THAN_LARGE)
    closed = np.concatenate([[False], ~large & (logit(expected) > least)])
    return _with_walls(field, closed[openings])


def _median_by_area(area: NDArray[np.float64]) -> float:
    rising = np.sort(area)
    return float(rising[np.searchsorted(np.cumsum(rising), 0.5 * rising.sum())])


def _with_walls(field: Field, columns: NDArray[np.bool_]) -> Field:
    """The field with a wall in each of the columns ``(R, T)`` that goes on what is around them."""
    around = binary_dilation(np.pad(columns, ((0, 0), (1, 1)), "wrap"), np.ones((3, 3)))[:, 1:-1]
    edge = around & ~columns & (field.max(axis=2) > 0.0)
    if not edge.any():
        return field
    depth = _likely_depth(field)
    # what is around is thin where it is likeliest, too: the wall nearest to that depth
    low, high = np.zeros(columns.shape), np.zeros(columns.shape)
    likely = _interpolated(np.where(columns, depth, 0.0), columns, around)
    for r, t in np.argwhere(edge).tolist():
        low[r, t], high[r, t] = _wall(field[r, t], likely[r, t])
    low, high = (_interpolated(face, edge, columns) for face in (low, high))
    thin = np.maximum(_LEAST - (high - low), 0.0) / 2
    nodes = np.arange(field.shape[2])
    inside = np.minimum(nodes - (low - thin)[..., None], (high + thin)[..., None] - nodes)
    wall = np.clip(_SLOPE * inside, None, _INSIDE).astype(np.float32)
    return np.where(columns[..., None], np.maximum(field, wall), field)


def _likely_depth(field: Field) -> NDArray[np.float64]:
    """Mean node along the axle ``(R, T)``, by the squared probability of matter."""
    weight = (1.0 / (1.0 + np.exp(-field.astype(np.float64)))) ** 2
    return np.asarray((weight * np.arange(field.shape[2])).sum(axis=2) / weight.sum(axis=2))


def _wall(values: NDArray[np.float32], depth: float) -> tuple[float, float]:
    """Both faces, in nodes, of what is solid in a column, next to a depth."""
    solid = np.flatnonzero(values > 0.0)
    runs = np.split(solid, np.flatnonzero(np.diff(solid) > 1) + 1)
    run = min(runs, key=lambda run: max(run[0] - depth, depth - run[-1], 0.0))
    first, last = int(run[0]), int(run[-1])
    faces = []
    for node, beyond in ((first, first - 1), (last, last + 1)):
        if not 0 <= beyond < len(values):
            faces.append(float(node))
            continue
        share = values[node] / (values[node] - values[beyond])
        faces.append(node + float(share) * (beyond - node))
    return faces[0], faces[1]


def _interpolated(
    values: NDArray[np.float64], known: NDArray[np.bool_], required: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Values ``(R, T)`` where they are known, and between them the mean of their neighbours."""
    half = known.shape[1] // 2
    turned = np.pad(known, ((0, 0), (half, half)), "wrap")
    row, column = distance_transform_edt(~turned, return_distances=False, return_indices=True)
    own = slice(half, half + known.shape[1])
    out = np.pad(values, ((0, 0), (half, half)), "wrap")[row, column][:, own]
    part, free = (known | required).astype(np.float64), required & ~known
    count = _neighbours(part)
    for _ in range(_ROUNDS):
        out = np.where(free, _neighbours(part * out) / np.maximum(count, 1.0), out)
    return np.asarray(out)


def _neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the four neighbours ``(R, T)``; the angle runs round."""
    rows = np.pad(values, ((1, 1), (0, 0)))
    return rows[:-2] + rows[2:] + np.roll(values, 1, axis=1) + np.roll(values, -1, axis=1)
