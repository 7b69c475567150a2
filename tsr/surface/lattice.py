"""Pooling and interpolation between the points and the cells of small grids."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def pool(points: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``(n, 9, 9, 9)`` at points to ``(n, 8, 8, 8)`` at cells: all eight corners joined."""
    for dim in (3, 2, 1):
        cells = points.shape[dim] - 1
        points = join(points.narrow(dim, 0, cells), points.narrow(dim, 1, cells))
    return points


def pool_up(cells: Tensor) -> Tensor:
    """``(n, 8, 8, 8)`` at cells to ``(n, 9, 9, 9)`` at points: the largest of the cells around."""
    for dim in (1, 2, 3):
        shape = list(cells.shape)
        shape[dim] += 1
        points = torch.zeros(shape, dtype=cells.dtype, device=cells.device)
        points.narrow(dim, 0, shape[dim] - 1).copy_(cells)
        upper = points.narrow(dim, 1, shape[dim] - 1)
        torch.maximum(upper, cells, out=upper)
        cells = points
    return cells


def upsample(values: Tensor) -> Tensor:
    """``(n, 5, 5, 5)`` to ``(n, 9, 9, 9)``, linearly."""
    for dim in (1, 2, 3):
        n = values.shape[dim]
        shape = list(values.shape)
        shape[dim] = 2 * n - 1
        out = values.new_empty(shape)
        index = [slice(None)] * 4
        index[dim] = slice(0, None, 2)
        out[tuple(index)] = values
        index[dim] = slice(1, None, 2)
        out[tuple(index)] = (values.narrow(dim, 0, n - 1) + values.narrow(dim, 1, n - 1)) / 2
        values = out
    return values
