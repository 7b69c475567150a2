"""The zero surface of a field on a grid, evaluating only the points near it.

A coarse lattice is evaluated completely. Level by level the spacing is halved in blocks of 8³ cells
around the surface; values are predicted there by linear interpolation, and the cells that the
surface may cross by this prediction, with a margin, are evaluated. Then, until nothing changes,
every cell whose corners differ in sign is evaluated, also across blocks: a surface that was found
anywhere is followed to its end. Only a detached part (or hollow) that lies between the points of
the coarse lattice can be missed; cells where the field's curvature or its planes' detail could hide
one are refined, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tsr.errors import TSRError
from tsr.surface.detail import Planes
from tsr.surface.level import B, Field, Level
from tsr.surface.marching import CORNERS, triangulate


@dataclass(frozen=True)
class SparseSurface:
    """A surface and the evidence of what may have been missed.

    Args:
        vertices: ``(V, 3)`` float32, in units of grid cells.
        faces: ``(F, 3)`` int64, wound outwards.
        evaluated: Number of points at which the field was evaluated.
        coarse_stride: The spacing of the coarse lattice, in grid cells; at 1 nothing can be missed.
        thin_cells: Coarse cells that hold surface although neither they nor a neighbour showed any
            on the coarse lattice: evidence of parts thinner than a coarse cell.
        suspect_cells: Cells that may hide one and were not refined, or are still close to the
            threshold at half the spacing.
    """

    vertices: Tensor
    faces: Tensor
    evaluated: int
    coarse_stride: int
    thin_cells: int
    suspect_cells: int


def extract_surface(
    field: Field,
    resolution: int,
    *,
    coarse_cells: int = 32,
    margin: float = 0.25,
    planes: Planes | None = None,
    device: torch.device | None = None,
) -> SparseSurface:
    """Extract the surface where a field changes sign.

    Args:
        field: The values at any grid points, evaluated in batches.
        resolution: Grid points per axis.
        coarse_cells: At least this many cells per axis on the coarse lattice, unless the grid has
            fewer; ``resolution - 1`` or more evaluates every point.
        margin: Share of a cell's range of values by which the prediction may be wrong.
        planes: The terms of a triplane's field, if it is one, which show cells whose detail the
            coarse lattice does not.
        device: Where to compute; default: the CPU.

    Raises:
        TSRError: The resolution is below 2.
    """
    if resolution < 2:
        raise TSRError(f"resolution must be at least 2, not {resolution}")
    stride = 1
    while -(-(resolution - 1) // (2 * stride)) >= coarse_cells:
        stride *= 2
    device = device or torch.device("cpu")
    level = Level(field, resolution, stride, margin, device)
    level.start()
    coarse = level
    suspects, unresolved = coarse.suspects(planes) if stride > 1 else (None, 0)
    while stride > 1:
        parent, stride = level, stride // 2
        level = Level(field, resolution, stride, margin, device)
        unresolved += level.refine(parent, suspects)
        level.evaluated += parent.evaluated
        suspects = None
    blocks, x, y, z = torch.nonzero(level.mixed(), as_tuple=True)
    local = torch.stack([x, y, z], 1)
    cells = level.blocks[blocks] * B + local  # (N, 3)
    steps = torch.tensor([(9 * i + j) * 9 + k for i, j, k in CORNERS], device=device)
    halo = (blocks * 729 + (x * 9 + y) * 9 + z)[:, None] + steps  # (N, 8)
    keys = level.halo.reshape(-1)[halo]
    vertices, faces = triangulate(cells, level.values[keys], keys, len(level.values))
    thin = coarse.unexpected(cells, level.stride) if level is not coarse else 0
    return SparseSurface(vertices, faces, level.evaluated, coarse.stride, thin, unresolved)
