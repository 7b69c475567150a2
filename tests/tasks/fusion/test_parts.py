"""The parts of the fusion, each with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.fusion.decision.iso_level import volume_preserving_level
from tasks.fusion.evidence.fields import frame_overlaps, lacks_rim, robust_mean
from tasks.fusion.evidence.symmetry import detect_symmetry_order, symmetrise, warp_to_profile
from tasks.fusion.evidence.visual_hull import visual_hull_distance
from tasks.fusion.grid import make_grid
from tasks.fusion.surface.colour import frame_gains
from tasks.fusion.surface.marching import (
    TriangleMesh,
    is_watertight,
    march,
    signed_volume,
    without_small_parts,
)
from tasks.fusion.views import View
from tasks.geometry.camera import look_at
from tasks.imaging.masks import signed_pixels


def disc_view(index: int, eye: tuple[float, float, float], radius_px: float) -> View:
    camera = look_at(np.array(eye), np.zeros(3), focal_px=200.0, width=200, height=200)
    v, u = np.mgrid[0:200, 0:200] + 0.5
    mask = np.hypot(u - 100, v - 100) < radius_px
    return View(index, camera, mask, signed_pixels(mask))


def test_the_visual_hull_is_measured_in_metres() -> None:
    views = [disc_view(i, e, 40.0) for i, e in enumerate([(0, 0, 2.0), (2.0, 0, 0)])]
    points = np.array([[0, 0, 0], [0, 0.3, 0], [0, 0.5, 0], [0.5, 0, 0]], np.float32)
    inside = visual_hull_distance(points, views, outliers=0, margin_px=0.0)
    np.testing.assert_allclose(inside[:3], [0.4, 0.1, -0.1], atol=0.012)
    assert inside[3] < 0  # seen from the second camera, it lies on the axis; the first carves it


def test_one_wrong_mask_is_outvoted_by_count() -> None:
    views = [disc_view(i, (0, 0, 2.0 + 0.01 * i), 40.0) for i in range(4)]
    views[2] = disc_view(2, (0, 0, 2.0), 5.0)
    point = np.array([[0, 0.3, 0]], np.float32)
    assert visual_hull_distance(point, views, outliers=0, margin_px=0.0)[0] < 0
    assert visual_hull_distance(point, views, outliers=1, margin_px=0.0)[0] > 0


def test_a_wall_that_is_nowhere_certain_keeps_its_volume() -> None:
    """Frames see it at different places: nowhere are the odds even."""
    grid = make_grid(0.3, 0.1, steps=32, angles=48)
    z = np.arange(grid.shape[2])
    probability = np.maximum(0.45 * np.exp(-0.5 * ((z - 8) / 1.5) ** 2), 1e-3)
    log_odds = np.log(probability / (1 - probability))
    field = np.broadcast_to(log_odds, grid.shape).astype(np.float32)
    assert not (field > 0).any()
    kept = field - volume_preserving_level(grid, field, lowest=-4.0, highest=1.0)
    solid = (kept >= 0)[1:].all(axis=(0, 1))
    assert solid[8]
    assert solid.sum() == pytest.approx(probability.sum(), abs=1.5)  # equal columns go together
    bounded = volume_preserving_level(grid, field, lowest=-0.1, highest=1.0)
    assert bounded == pytest.approx(-0.1, abs=1e-6)


def test_a_certain_field_stays_as_it_is() -> None:
    grid = make_grid(0.3, 0.1, steps=32, angles=48)
    ring = (grid.radii[:, None, None] > 0.2) & (np.abs(grid.heights) < 0.05)
    field = np.where(np.broadcast_to(ring, grid.shape), 6.0, -6.0).astype(np.float32)
    level = volume_preserving_level(grid, field, lowest=-1, highest=1)
    np.testing.assert_array_equal(field - level > 0, field > 0)


def test_the_robust_mean_ignores_one_wild_frame() -> None:
    values = np.array([1.0, 1.2, 0.8, 1.0, -4.0], np.float32)[:, None]
    mean, std, effective = robust_mean(values, np.ones_like(values), robust_scale=1.0)
    assert mean[0] == pytest.approx(0.9, abs=0.15)
    assert effective[0] == pytest.approx(5.0)
    assert std[0] > 0


def test_frames_count_by_their_overlap_and_a_missing_rim_is_detected() -> None:
    grid = make_grid(0.36, 0.15, steps=32, angles=48)
    r = np.broadcast_to(grid.radii[:, None, None], grid.shape)
    z = np.broadcast_to(np.abs(grid.heights), grid.shape)
    ring = np.where((r > 0.2) & (r < 0.34) & (z < 0.1), 2.0, -2.0).astype(np.float32)
    thin = np.where((r > 0.2) & (r < 0.34) & (z < 0.05), 2.0, -2.0).astype(np.float32)
    lost = np.where(r < 0.1, 2.0, -2.0).astype(np.float32)
    overlaps = frame_overlaps(np.stack([ring, thin, lost]), grid, ring)
    assert overlaps[0] == 1.0
    assert overlaps[1] == pytest.approx((thin > 0).sum() / (ring > 0).sum(), rel=0.05)
    assert overlaps[2] == 0.0
    assert frame_overlaps(np.full((2, *grid.shape), -1.0, np.float32), grid, lost - 9).tolist() == [
        1,
        1,
    ]
    hub = np.where((r < 0.06) & (z < 0.02), 2.0, -2.0).astype(np.float32)
    assert lacks_rim(grid, np.stack([ring, ring, np.maximum(ring, hub)]))
    assert not lacks_rim(grid, np.maximum(ring, hub)[None])
    discs = [np.where((r < 0.3) & (abs(z - at) < 0.012), 2.0, -2.0) for at in (0.02, 0.05, 0.08)]
    frames = np.stack([np.maximum(ring, d).astype(np.float32) for d in discs])
    assert (frames.mean(axis=0)[grid.radii < 0.1] < 0).all(), "together they say: a hole"
    assert not lacks_rim(grid, frames)


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


def test_the_grid_interpolates_across_the_seam() -> None:
    grid = make_grid(0.36, 0.1, steps=32, angles=96)
    r, t, z = np.meshgrid(grid.radii, grid.angles, grid.heights, indexing="ij")
    field = (r * np.cos(t) + 2 * z).astype(np.float32)
    points = np.random.default_rng(1).uniform(-0.09, 0.09, (500, 3))
    np.testing.assert_allclose(
        grid.sample(field, points), points[:, 0] + 2 * points[:, 2], atol=4e-4
    )


def test_marching_gives_one_outward_body() -> None:
    x = np.linspace(-1, 1, 41)
    p = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1)
    distance = np.maximum(0.6 - np.linalg.norm(p, axis=-1), 0.1 - np.linalg.norm(p - 0.85, axis=-1))
    hollow = np.minimum(distance, np.linalg.norm(p, axis=-1) - 0.2).astype(np.float32)
    surface = march(hollow, np.full(3, -1.0), (0.05, 0.05, 0.05))
    assert surface is not None
    assert is_watertight(surface)
    assert signed_volume(surface) == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.02)
    inverted = TriangleMesh(surface.vertices, surface.faces[:, ::-1])
    assert signed_volume(without_small_parts(inverted)) > 0
    assert not is_watertight(TriangleMesh(surface.vertices, surface.faces[:-1]))


def test_gains_even_out_exposures() -> None:
    rng = np.random.default_rng(2)
    base = rng.uniform(60, 160, (500, 1)).repeat(3, axis=1)
    samples = np.stack([base, base * 1.25, base * 0.9]).astype(np.uint8)
    gains = frame_gains(samples, np.ones((3, 500), np.float32))
    assert gains[0] / gains[1] == pytest.approx(1.25, rel=0.03)
    assert gains[0] / gains[2] == pytest.approx(0.9, rel=0.03)
