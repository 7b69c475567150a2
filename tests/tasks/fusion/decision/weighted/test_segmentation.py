"""The segmentation of the grid, on shapes that are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from configs.stages import WeightedConfig
from tasks.fusion.decision.weighted.segmentation import minimise, segment
from tasks.fusion.grid import make_grid
from tests.tasks.fusion.painted import FACE_Z, SIZES, Sweep


def test_a_surface_is_found_that_the_network_does_not_see(
    spoked: Sweep,
) -> None:
    grid, found = spoked
    unsure = np.full(grid.shape, -1.0, np.float32)
    inside = np.full(grid.shape, 0.1, np.float32)
    shell = np.zeros((len(grid.radii), len(grid.heights)), bool)
    share = segment(
        grid,
        unsure,
        inside,
        shell,
        {1: found},
        5,
        WeightedConfig(),
        **SIZES,
    )
    solid = share > 0.5
    at = [int(np.abs(grid.radii - r).argmin()) for r in (0.25, 0.13)]
    ring_top = grid.heights[np.nonzero(solid[at[0]].mean(axis=0) > 0.5)[0].max()]
    assert ring_top == pytest.approx(FACE_Z, abs=1.5 * grid.step)
    on_spoke = np.abs((grid.angles * 5 / (2 * math.pi)) % 1.0 - 0.5) < 0.1
    in_gap = np.abs((grid.angles * 5 / (2 * math.pi)) % 1.0 - 0.5) > 0.4
    assert solid[at[1]][on_spoke].any(axis=1).mean() > 0.9
    assert solid[at[1]][in_gap].any(axis=1).mean() < 0.1
    shut = segment(
        grid,
        unsure,
        -inside,
        shell,
        {1: found},
        5,
        WeightedConfig(),
        **SIZES,
    )
    assert shut.max() < 0.5  # nothing stands outside the silhouettes


def test_segmentation_keeps_bodies_and_drops_specks() -> None:
    grid = make_grid(0.3, 0.1, steps=30, angles=90)
    r, _, z = np.meshgrid(grid.radii, grid.angles, grid.heights, indexing="ij")
    body = (r > 0.12) & (r < 0.25) & (np.abs(z) < 0.06)
    unary = np.where(body, 3.0, -3.0).astype(np.float32)
    speck = (slice(5, 7), slice(10, 12), slice(5, 7))
    unary[speck] = 3.0
    share = minimise(grid, unary, np.full(grid.shape, 1.5, np.float32))
    assert ((share > 0.5) == body).mean() > 0.995
    assert share[speck].max() < 0.5
