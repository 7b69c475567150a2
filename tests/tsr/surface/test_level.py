"""A level of the sparse extraction against the whole lattice of a ball's field."""

from __future__ import annotations

import torch
from torch import Tensor

from tsr.surface.level import B, Level

RESOLUTION = 65
CPU = torch.device("cpu")


def field(index: Tensor) -> Tensor:
    """A ball of 0.6 in -1..1, a little beside the middle."""
    points = index * (2 / (RESOLUTION - 1)) - 1
    return 0.6 - (points - torch.tensor([0.1, -0.05, 0.0])).norm(dim=1)


def lattice(stride: int) -> Tensor:
    axis = torch.arange(0, RESOLUTION, stride)
    points = torch.cartesian_prod(axis, axis, axis)
    return field(points).view(len(axis), len(axis), len(axis))


def crossed(stride: int) -> set[tuple[int, ...]]:
    """Cells of the whole lattice whose corners differ in sign."""
    inside = (lattice(stride) > 0).unfold(0, 2, 1).unfold(1, 2, 1).unfold(2, 2, 1).flatten(3)
    return {tuple(c) for c in torch.nonzero(inside.any(3) & ~inside.all(3)).tolist()}


def cells_of(level: Level, marked: Tensor) -> set[tuple[int, ...]]:
    block, x, y, z = torch.nonzero(marked, as_tuple=True)
    at = level.blocks[block] * B + torch.stack([x, y, z], 1)
    return {tuple(c) for c in at.tolist()}


def coarse() -> Level:
    level = Level(field, RESOLUTION, stride=4, margin=0.25, device=CPU)
    level.start()
    return level


def test_the_first_level_knows_the_whole_lattice() -> None:
    level = coarse()
    assert level.evaluated == 17**3
    assert cells_of(level, level.mixed()) == crossed(4)


def test_a_finer_level_finds_all_cells_of_the_surface_by_few_values() -> None:
    parent = coarse()
    for stride in (2, 1):
        level = Level(field, RESOLUTION, stride, margin=0.25, device=CPU)
        assert level.refine(parent, None) == 0
        assert cells_of(level, level.mixed()) == crossed(stride)
        parent = level
    assert parent.evaluated < 0.25 * RESOLUTION**3


def test_a_dilated_cell_has_26_neighbours_also_across_blocks() -> None:
    level = coarse()
    one = torch.zeros_like(level.valid)
    block = int(torch.nonzero((level.blocks == 0).all(1))[0, 0])
    one[block, 7, 7, 7] = True
    grown = cells_of(level, level.dilate(one))
    assert grown == {(x, y, z) for x in (6, 7, 8) for y in (6, 7, 8) for z in (6, 7, 8)}


def test_cells_apart_from_the_surface_are_unexpected() -> None:
    level = coarse()
    on_surface = torch.tensor([[2 * c for c in cell] for cell in sorted(crossed(4))[:5]])
    corner = torch.tensor([[0, 0, 0], [1, 1, 1]])
    assert level.unexpected(on_surface, 2) == 0
    assert level.unexpected(torch.cat([on_surface, corner]), 2) == 1
