"""Cells that may hide a surface: none in a trilinear field, the one with a bump."""

from __future__ import annotations

import torch
from torch import Tensor

from tsr.network.field import PLANE_AXES
from tsr.surface.detail import SAMPLES, Planes, curvature_score, hidden_score

CELLS, STRIDE = 8, 8


def terms_of(bump: float, at: tuple[int, int]) -> Planes:
    """Terms of one channel: in the first plane a bump in the middle of one cell, and waves."""

    def planes(index: Tensor) -> Tensor:
        x = index[:, None].float() / STRIDE
        y = index[None, :].float() / STRIDE
        waves = 0.05 * torch.cos(torch.pi * x) * torch.ones_like(y)  # at the lattice's points
        near = (x - at[0] - 0.5).abs().clamp(max=0.5), (y - at[1] - 0.5).abs().clamp(max=0.5)
        peak = bump * (1 - 2 * near[0]) * (1 - 2 * near[1])
        return torch.stack([waves + peak, 0 * peak, 0 * peak])[..., None]

    return planes


def volume_of(planes: Planes, offset: float) -> Tensor:
    """Values on the lattice: the sum of the terms, and an offset."""
    terms = planes(torch.arange(CELLS + 1) * STRIDE)[..., 0]
    n = CELLS + 1
    volume = torch.full((n, n, n), offset)
    for plane, pair in enumerate(PLANE_AXES):
        (other,) = {0, 1, 2} - set(pair)
        volume += terms[plane].unsqueeze(other)
    return volume


def test_a_bump_between_the_points_is_seen_where_it_reaches_the_surface() -> None:
    """By the gain of the waves, 1: from -1.5 a bump of 2 reaches above 0, one of 1 does not."""
    for bump, reaches in ((1.0, False), (2.0, True)):
        planes = terms_of(bump, (2, 5))
        near = torch.zeros(CELLS, CELLS, CELLS, dtype=torch.bool)
        near[:, :, 0] = True
        score = hidden_score(planes, volume_of(planes, -1.5), near, STRIDE, CELLS * STRIDE)
        assert not score[near].any(), "the lattice shows a surface there"
        found = (score > 1).nonzero()
        assert bool(len(found)) is reaches
        if reaches:
            assert {(int(x), int(y)) for x, y, _ in found} == {(2, 5)}
            assert sorted(found[:, 2].tolist()) == list(range(1, CELLS)), "along the third axis"


def test_what_is_linear_in_each_cell_hides_nothing() -> None:
    planes = terms_of(0.0, (0, 0))

    def straight(index: Tensor) -> Tensor:
        return planes((index // STRIDE) * STRIDE) * 0 + index[:, None, None].float() / 100

    near = torch.ones(CELLS, CELLS, CELLS, dtype=torch.bool)
    near[3:, :, :] = False
    score = hidden_score(straight, volume_of(straight, -9.0), near, STRIDE, CELLS * STRIDE)
    torch.testing.assert_close(score, torch.zeros_like(score), atol=1e-5, rtol=0)


def test_points_beyond_the_grid_lie_on_its_last_index() -> None:
    asked: list[Tensor] = []

    def planes(index: Tensor) -> Tensor:
        asked.append(index)
        return torch.zeros(3, len(index), len(index), 1)

    near = torch.zeros(CELLS, CELLS, CELLS, dtype=torch.bool)
    hidden_score(planes, torch.ones(CELLS + 1, CELLS + 1, CELLS + 1), near, STRIDE, 60)
    assert asked[0].max() == 60
    assert len(asked[0]) == CELLS * SAMPLES + 1


def test_curvature_is_a_quarter_of_the_second_differences_over_the_nearest_value() -> None:
    axis = torch.arange(5.0)
    volume = (axis**2)[:, None, None] + 10 + 0 * axis[:, None] + 0 * axis
    score = curvature_score(volume)
    assert score.shape == (4, 4, 4)
    nearest = torch.tensor([10.0, 11.0, 14.0, 19.0])
    torch.testing.assert_close(score, (2 / 4 / nearest)[:, None, None].expand(4, 4, 4))
    assert not curvature_score(3 * axis[:, None, None] - axis[:, None] + axis + 1).any()
    all_ways = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 + 10
    torch.testing.assert_close(curvature_score(all_ways)[1, 1, 1], torch.tensor(6 / 4 / 13))
