"""Points and cells of small grids, corner by corner."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tsr.surface.lattice import pool, pool_up, upsample

Join = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(("join", "of"), [(torch.minimum, min), (torch.maximum, max)])
def test_a_cell_has_what_its_eight_corners_say(
    join: Join, of: Callable[[list[float]], float]
) -> None:
    points = torch.rand(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    cells = pool(points, join)
    assert cells.shape == (2, 3, 4, 5)
    for n, *cell in itertools.product(range(2), range(3), range(4), range(5)):
        i, j, k = cell
        corners = points[n, i : i + 2, j : j + 2, k : k + 2]
        assert cells[n, i, j, k] == of(corners.flatten().tolist())


def test_a_point_has_the_largest_of_the_cells_around_it() -> None:
    cells = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    points = pool_up(cells)
    assert points.shape == (2, 4, 5, 6)
    for n, i, j, k in itertools.product(range(2), range(4), range(5), range(6)):
        around = cells[n, max(i - 1, 0) : i + 1, max(j - 1, 0) : j + 1, max(k - 1, 0) : k + 1]
        assert points[n, i, j, k] == around.max()
    assert torch.equal(pool_up(cells > 0.9), points > 0.9), "of truth values, too"


def test_between_points_lies_what_a_trilinear_field_has_there() -> None:
    def field(size: int) -> Tensor:
        axis = torch.linspace(0, 1, size, dtype=torch.float64)
        x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
        return (1 + 2 * x - y + 3 * z + 5 * x * y - 2 * y * z + 7 * x * y * z)[None]

    torch.testing.assert_close(upsample(field(2)), field(3))
    corners = torch.rand(3, 5, 5, 5, dtype=torch.float64)
    assert upsample(corners).shape == (3, 9, 9, 9)
    torch.testing.assert_close(upsample(corners)[:, ::2, ::2, ::2], corners)
