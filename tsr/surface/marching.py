"""Marching cubes on a list of cells: the table, generated, and the triangulation.

Corner ``c`` of a cell lies at ``(c >> 2 & 1, c >> 1 & 1, c & 1)``; inside means value > 0. On a
face whose diagonal corners are inside, the inside corners are kept apart. As this depends on the
face alone, neighbouring cells agree and the surface is closed; as every loop of segments is walked
with the inside on the same hand, it is wound outwards.
"""

from __future__ import annotations

from functools import cache, lru_cache

import torch
from torch import Tensor

CORNERS = tuple((c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8))
EDGES = tuple((lo, lo | bit) for bit in (4, 2, 1) for lo in range(8) if not lo & bit)
"""The twelve edges as (lower corner, upper corner): four along x, then y, then z."""

_EDGE_OF = {frozenset(e): n for n, e in enumerate(EDGES)}
_FACES = (  # corners in turn, counter-clockwise seen from outside
    (0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3),
)  # fmt: skip


def _loops(case: int) -> list[list[int]]:
    """Closed loops of edges around the inside corners of one of the 256 cases."""
    follow: dict[int, int] = {}
    for face in _FACES:
        inside = [bool(case >> c & 1) for c in face]
        if all(inside) or not any(inside):
            continue
        edges = [_EDGE_OF[frozenset((face[i], face[(i + 1) % 4]))] for i in range(4)]
        for start in (i for i in range(4) if inside[i] and not inside[i - 1]):
            end = start
            while inside[(end + 1) % 4]:
                end += 1
            follow[edges[start - 1]] = edges[end % 4]
    loops = []
    while follow:
        first, edge = follow.popitem()
        loop = [first]
        while edge != first:
            loop.append(edge)
            edge = follow.pop(edge)
        loops.append(loop)
    return loops


def _share_face(a: int, b: int) -> bool:
    corners = {*EDGES[a], *EDGES[b]}
    return any(corners <= set(face) for face in _FACES)


def _triangles(loop: list[int]) -> list[tuple[int, int, int]]:
    """Triangles of a loop with the fewest diagonals in a face of the cell.

    A diagonal in a face could coincide with one of the neighbour's: an edge of four triangles.
    """

    @cache
    def best(i: int, j: int) -> tuple[int, tuple[tuple[int, int, int], ...]]:
        if j - i < 2:
            return 0, ()
        options = []
        for k in range(i + 1, j):
            left, right = best(i, k), best(k, j)
            cost = left[0] + right[0]
            cost += k - i > 1 and _share_face(loop[i], loop[k])
            cost += j - k > 1 and _share_face(loop[k], loop[j])
            options.append((cost, (*left[1], (loop[i], loop[k], loop[j]), *right[1])))
        return min(options, key=lambda option: option[0])

    return list(best(0, len(loop) - 1)[1])


@lru_cache(maxsize=8)
def table(device: torch.device) -> Tensor:
    """``(256, T, 3)`` int64: the edges of each case's triangles, -1 where there are fewer."""
    cases = [[t for loop in _loops(case) for t in _triangles(loop)] for case in range(256)]
    most = max(len(case) for case in cases)
    rows = [case + [(-1, -1, -1)] * (most - len(case)) for case in cases]
    return torch.tensor(rows, dtype=torch.int64, device=device)


def triangulate(
    cells: Tensor, values: Tensor, keys: Tensor, num_keys: int | None = None
) -> tuple[Tensor, Tensor]:
    """The surface inside some cells.

    Args:
        cells: ``(N, 3)`` int, indices of the cells' lowest corners.
        values: ``(N, 8)`` float at the corners.
        keys: ``(N, 8)`` int64, a number for each corner's grid point, equal for equal points.
        num_keys: A number that all keys are below, if there is one: then they are merged through a
            table of this size instead of by sorting.

    Returns:
        Vertices ``(V, 3)`` float32 in units of cells and faces ``(F, 3)`` int64, wound outwards.
    """
    device = values.device
    bits = 1 << torch.arange(8, device=device)
    case = ((values > 0) * bits).sum(1)  # (N,)
    triangles = table(device)[case]  # (N, T, 3)
    cell, slot = torch.nonzero(triangles[..., 0] >= 0, as_tuple=True)
    edge = triangles[cell, slot]  # (F, 3)
    cell = cell[:, None].expand(-1, 3)  # (F, 3)
    ends = torch.tensor(EDGES, device=device)
    axis = edge // 4
    key = keys[cell, ends[edge, 0]] * 3 + axis  # (F, 3)
    if num_keys is None:
        used, faces = torch.unique(key, return_inverse=True)
    else:
        mark = torch.zeros(3 * num_keys, dtype=torch.bool, device=device)
        mark[key.flatten()] = True
        used = torch.nonzero(mark)[:, 0]
        number = torch.empty(3 * num_keys, dtype=torch.int32, device=device)
        number[used] = torch.arange(len(used), dtype=torch.int32, device=device)
        faces = number[key].long()
    # every triangle's copy of a vertex is the same: cells that share an edge share its end values
    source = torch.empty(len(used), dtype=torch.int64, device=device)
    source[faces.flatten()] = torch.arange(faces.numel(), device=device)
    cell, edge = cell.reshape(-1)[source], edge.reshape(-1)[source]
    low, high = ends[edge, 0], ends[edge, 1]
    a, b = values[cell, low].double(), values[cell, high].double()
    offsets = torch.tensor(CORNERS, device=device)
    vertices = (cells[cell] + offsets[low]).double()
    rows = torch.arange(len(used), device=device)
    vertices[rows, edge // 4] += a / (a - b)
    return vertices.float(), faces


def mixed_cells(volume: Tensor) -> Tensor:
    """Cells ``(N, 3)`` of a volume ``(X, Y, Z)`` that have both inside and outside corners."""
    parts = []
    for x0 in range(0, volume.shape[0] - 1, 16):
        inside = volume[x0 : x0 + 17] > 0
        every, some = inside, inside
        for dim in range(3):
            n = inside.shape[dim] - 1
            every = every.narrow(dim, 0, n) & every.narrow(dim, 1, n)
            some = some.narrow(dim, 0, n) | some.narrow(dim, 1, n)
        cells = torch.nonzero(some & ~every)
        cells[:, 0] += x0
        parts.append(cells)
    return torch.cat(parts)


def march_volume(volume: Tensor) -> tuple[Tensor, Tensor]:
    """Marching cubes over a whole volume of values, inside > 0.

    Args:
        volume: ``(X, Y, Z)`` float.

    Returns:
        Vertices ``(V, 3)`` float32 in units of cells and faces ``(F, 3)`` int64.
    """
    cells = mixed_cells(volume)
    _, ny, nz = volume.shape
    strides = torch.tensor([ny * nz, nz, 1], device=volume.device)
    # sums of products: CUDA has no matrix products of integers
    steps = (torch.tensor(CORNERS, device=volume.device) * strides).sum(1)
    keys = (cells * strides).sum(1)[:, None] + steps  # (N, 8)
    return triangulate(cells, volume.reshape(-1)[keys], keys)
