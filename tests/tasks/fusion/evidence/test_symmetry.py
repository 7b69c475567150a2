"""What is averaged around the axle, and what stays."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.fusion.evidence.symmetry import detect_symmetry_order, symmetrise, warp_to_profile
from tasks.fusion.grid import make_grid


def test_noise_is_averaged_around_the_axle_and_spokes_stay() -> None:
    rng = np.random.default_rng(0)
    grid = make_grid(0.36, 0.1, steps=24, angles=120)
    t = grid.angles[None, :, None]
    spokes = np.broadcast_to(3.0 * np.cos(6 * t), grid.shape).astype(np.float32)
    rim = (grid.radii < 0.25)[:, None, None]
    truth = np.where(rim, spokes, np.float32(1.0))
    noisy = truth + rng.normal(0.0, 1.0, grid.shape).astype(np.float32)
    one = np.ones(grid.shape, np.float32)
    assert detect_symmetry_order(grid, noisy - noisy.mean(axis=1, keepdims=True), one) == 6
    out = symmetrise(grid, noisy, one, one, one, strength=1.5)
    assert out.symmetry_order == 6
    error = out.field - truth
    assert np.sqrt((error[grid.radii > 0.3] ** 2).mean()) < 0.25
    assert np.sqrt((error[(grid.radii < 0.2)] ** 2).mean()) < 0.7
    assert np.corrcoef(out.field[5].ravel(), truth[5].ravel())[0, 1] > 0.95


def test_the_warp_meets_the_known_radius() -> None:
    grid = make_grid(0.36, 0.1, steps=48, angles=60)
    field = np.broadcast_to(((0.35 - grid.radii) / 0.01)[:, None, None], grid.shape).astype(
        np.float32
    )
    target = np.full(len(grid.heights), 0.36)
    target[0] = 0.0
    warped = warp_to_profile(grid, field, target, max_change=0.06)
    assert np.interp(0.0, -warped[::1, 0, 5], grid.radii) == pytest.approx(0.36, abs=5e-4)
    assert np.interp(0.0, -warped[::1, 0, 0], grid.radii) == pytest.approx(0.35, abs=5e-4)
