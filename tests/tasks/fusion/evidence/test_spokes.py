"""Spokes of known number: counted, and averaged over their multiples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.fusion.evidence.plane_sweep import PhotoConsistency
from tasks.fusion.evidence.spokes import (
    BACKGROUND,
    NEAR_AXLE,
    RIDGE_REACH,
    count_spokes,
    ridge_map,
    symmetrise_consistency,
)
from tasks.fusion.grid import Field, make_grid
from tests.tasks.fusion.painted import RADIUS, Sweep

GRID = make_grid(RADIUS, 0.1, steps=32, angles=240)
LEVEL = 20
"""Node along the axle at which the face lies."""


def face(*waves: tuple[int, float], noise: float = 0.0) -> PhotoConsistency:
    """Consistency of a face at one height that goes round in waves: how many, how strong."""
    ridge = 0.4 + sum(a * np.cos(n * GRID.angles) for n, a in waves)
    value = np.zeros(GRID.shape, np.float32)
    value[:, :, LEVEL] = ridge
    value += np.random.default_rng(0).normal(0, noise, GRID.shape).astype(np.float32)
    unused = dict.fromkeys(PhotoConsistency.__dataclass_fields__, np.zeros(0, np.float32))
    return PhotoConsistency(**{**unused, "value": value})


def test_spokes_are_counted(spoked: Sweep) -> None:
    grid, found = spoked
    assert count_spokes(grid, [found], RADIUS) == 5
    level = np.repeat(found.value.mean(axis=1, keepdims=True), len(grid.angles), axis=1)
    uniform = replace(found, value=level)
    assert count_spokes(grid, [uniform], RADIUS) == 1


@pytest.mark.parametrize("spokes", [3, 5, 7, 12, 20])
def test_waves_are_counted_through_noise(spokes: int) -> None:
    assert count_spokes(GRID, [face((spokes, 0.2), noise=0.05)], RADIUS) == spokes


def test_pairs_of_spokes_count_as_what_repeats() -> None:
    """Five pairs have as much power at ten; where nine tenths lie there, it is ten."""
    assert count_spokes(GRID, [face((5, 0.2), (10, 0.2))], RADIUS) == 5
    assert count_spokes(GRID, [face((5, 0.1), (10, 0.3))], RADIUS) == 10
    assert count_spokes(GRID, [face((5, 0.2)), face((5, 0.2), (7, 0.05))], RADIUS) == 5


@pytest.mark.parametrize("waves", [(), ((1, 0.2),), ((2, 0.2),), ((1, 0.2), (2, 0.1))])
def test_light_and_shadow_are_no_spokes(waves: tuple[tuple[int, float], ...]) -> None:
    assert count_spokes(GRID, [face(*waves)], RADIUS) == 1


def test_noise_has_no_spokes() -> None:
    assert count_spokes(GRID, [face(noise=0.2)], RADIUS) == 1


def test_the_ridge_follows_the_face_at_every_radius() -> None:
    value = np.zeros((3, 8, 30), np.float32)
    for row, level in enumerate((RIDGE_REACH, 12, 25)):
        value[row, :, level] = np.arange(8)
    np.testing.assert_array_equal(ridge_map(value), np.tile(np.arange(8.0), (3, 1)))


def on_ridge(field: Field) -> Field:
    return np.asarray(field[16, :, LEVEL])


def test_consistency_is_averaged_over_the_spokes_and_noise_goes() -> None:
    clean = face((6, 0.3))
    noisy = replace(
        clean,
        value=clean.value + np.random.default_rng(1).normal(0, 0.1, GRID.shape).astype(np.float32),
    )
    background = BACKGROUND * float(np.median(noisy.value.mean(axis=1)))
    truth = np.maximum(on_ridge(clean.value) - background, 0)
    averaged = on_ridge(symmetrise_consistency(GRID, noisy, 6, RADIUS))
    error = np.sqrt(np.mean((averaged - truth) ** 2))
    assert error < 0.05, "of 0.1 before: a sixth of the noise's power, and a tenth of itself"


def test_without_spokes_every_circle_has_its_mean() -> None:
    found = symmetrise_consistency(GRID, face((6, 0.3)), 1, RADIUS)
    np.testing.assert_allclose(on_ridge(found), 0.4, atol=1e-6)
    assert np.ptp(found, axis=1).max() < 1e-6
    assert found.min() == 0


def test_too_few_nodes_for_a_mean_have_that_of_the_next_circle() -> None:
    bright = face((6, 0.3))
    near = GRID.radii < NEAR_AXLE * RADIUS
    assert 1 < near.sum() < 4
    bright.value[near] = 3.0
    found = symmetrise_consistency(GRID, bright, 6, RADIUS)
    np.testing.assert_array_equal(found[near], found[[near.sum()] * int(near.sum())])


def test_the_tyre_around_the_rim_is_averaged_whatever_repeats() -> None:
    found = symmetrise_consistency(GRID, face((6, 0.3)), 6, RADIUS)
    outside = GRID.radii > 0.9 * RADIUS
    assert np.ptp(found[outside], axis=1).max() < 1e-3
    assert np.ptp(found[16, :, LEVEL]) > 0.5
