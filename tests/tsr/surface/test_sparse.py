"""Sparse extraction against marching cubes over the whole grid."""

from __future__ import annotations

import pytest
import torch

from tests.tsr.surface.shapes import Shape
from tsr.surface.marching import march_volume
from tsr.surface.sparse import extract_surface


def on_grid(shape: Shape, resolution: int) -> Shape:
    return lambda index: shape(index * (2 / (resolution - 1)) - 1)


def volume_of(field: Shape, resolution: int) -> torch.Tensor:
    axis = torch.arange(resolution)
    return field(torch.cartesian_prod(axis, axis, axis)).view(resolution, resolution, resolution)


def vertex_set(vertices: torch.Tensor) -> torch.Tensor:
    return torch.unique(vertices, dim=0)


def ball(centre: tuple[float, float, float], radius: float) -> Shape:
    return lambda p: radius - (p - torch.tensor(centre)).norm(dim=1)


@pytest.mark.parametrize("resolution", [2, 9, 40, 65, 101])
def test_sparse_equals_dense_marching(resolution: int) -> None:
    def shape(p: torch.Tensor) -> torch.Tensor:
        return torch.maximum(ball((0.3, -0.2, 0.1), 0.55)(p), ball((-0.6, 0.5, 0.4), 0.5)(p))

    field = on_grid(shape, resolution)
    sparse = extract_surface(field, resolution, coarse_cells=8)
    vertices, faces = march_volume(volume_of(field, resolution))
    assert torch.equal(vertex_set(sparse.vertices), vertex_set(vertices))
    assert len(sparse.faces) == len(faces)


def test_a_thin_fin_is_followed_to_its_end() -> None:
    resolution, cell = 129, 2 / 16

    def fin(p: torch.Tensor) -> torch.Tensor:
        box = (p - torch.tensor([0.4, 0.0, 0.3 * cell])).abs()
        box = torch.tensor([0.5, 0.3, 0.15 * cell]) - box
        return torch.maximum(ball((-0.4, 0, 0), 0.35)(p), box.amin(1))

    field = on_grid(fin, resolution)
    sparse = extract_surface(field, resolution, coarse_cells=16)
    assert sparse.coarse_stride == 8
    vertices, _ = march_volume(volume_of(field, resolution))
    assert torch.equal(vertex_set(sparse.vertices), vertex_set(vertices))
    assert sparse.thin_cells > 0


def test_a_detached_speck_is_reported_or_found_by_dense() -> None:
    resolution, cell = 129, 2 / 16
    speck = (0.5 + 0.3 * cell, 0.5 + 0.2 * cell, 0.5 + 0.3 * cell)

    def shape(p: torch.Tensor) -> torch.Tensor:
        return torch.maximum(ball((-0.3, -0.3, -0.3), 0.5)(p), ball(speck, 0.35 * cell)(p))

    field = on_grid(shape, resolution)
    sparse = extract_surface(field, resolution, coarse_cells=16)
    vertices, _ = march_volume(volume_of(field, resolution))
    found = len(sparse.vertices) == len(vertices)
    assert found or sparse.suspect_cells + sparse.thin_cells > 0
    dense = extract_surface(field, resolution, coarse_cells=resolution)
    assert (len(dense.vertices), dense.coarse_stride) == (len(vertices), 1)


def test_nothing_and_everything_inside_give_no_surface() -> None:
    for value in (-1.0, 1.0):
        found = extract_surface(lambda index, v=value: torch.full((len(index),), v), 100)
        assert (len(found.vertices), len(found.faces)) == (0, 0)
