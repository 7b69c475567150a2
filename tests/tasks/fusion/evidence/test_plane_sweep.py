"""Photo consistency, and the segmentation, on painted shapes that are known exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label

from configs.stages import WeightedConfig
from tasks.fusion.decision.connect import connect_components
from tasks.fusion.decision.weighted.segmentation import minimise, segment
from tasks.fusion.decision.weighted.textureless import find_textureless_face
from tasks.fusion.evidence.plane_sweep import PhotoConsistency, photo_consistency
from tasks.fusion.evidence.spokes import count_spokes, symmetrise_consistency
from tasks.fusion.grid import CylinderGrid, make_grid
from tasks.geometry.camera import Camera, look_at

RADIUS, FACE_Z, HUB_Z = 0.3, 0.08, 0.02
SIZES = {"radius": RADIUS, "wall_thickness": 0.045 * RADIUS}  # metres
FloatArray = NDArray[np.float64]
Sweep = tuple[CylinderGrid, PhotoConsistency]


def hit_face(camera: Camera, spokes: int) -> NDArray[np.uint8]:
    """A camera's image of a painted face: a ring at one height, spokes and hub at another.

    Without spokes there is a disc of one colour instead, level with the ring.
    """
    v, u = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1))
    image = np.full(len(rays), 40.0)
    for z, is_ring in ((HUB_Z if spokes else FACE_Z, False), (FACE_Z, True)):
        p = camera.centre + rays * ((z - camera.centre[2]) / rays[:, 2])[:, None]
        r, t = np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0])
        on_spoke = np.abs((t * spokes / (2 * math.pi)) % 1.0 - 0.5) < 0.2
        shown = (r > 0.2) & (r < RADIUS) if is_ring else (r < 0.06) | ((r < 0.2) & on_spoke)
        if not spokes and not is_ring:
            image[r < 0.2] = 90.0
            continue
        paint = (
            128
            + 50 * np.sin(170 * p[:, 0] + 3) * np.sin(150 * p[:, 1])
            + 40 * np.sin(260 * p[:, 0] - 210 * p[:, 1])
        )
        image[shown] = paint[shown]
    return np.clip(image, 0, 255).astype(np.uint8).reshape(camera.height, camera.width)


def sweep(folder: Path, spokes: int) -> Sweep:
    grid = make_grid(RADIUS, 0.1, steps=32, angles=120)
    cameras: dict[int, Camera] = {}
    paths: dict[int, Path] = {}
    for k, azimuth in enumerate(np.radians(np.linspace(-60, 60, 13))):
        eye = np.array([math.sin(azimuth), 0.25, math.cos(azimuth)])
        cameras[k] = look_at(eye, np.zeros(3), focal_px=420.0, width=400, height=320)
        paths[k] = folder / f"{k}.png"
        cv2.imwrite(str(paths[k]), hit_face(cameras[k], spokes))
    found = photo_consistency(grid, cameras, paths, 1)
    assert found is not None
    assert photo_consistency(grid, cameras, paths, -1) is None  # no camera sees the other face
    return grid, found


@pytest.fixture(scope="module")
def spoked(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep(tmp_path_factory.mktemp("face"), spokes=5)


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep(tmp_path_factory.mktemp("disc"), spokes=0)


def test_photos_are_consistent_on_the_surface(
    spoked: Sweep,
) -> None:
    grid, found = spoked
    section = found.value.mean(axis=1)  # (R, Z)
    height = grid.heights[section.argmax(axis=1)]
    ring = (grid.radii > 0.22) & (grid.radii < 0.28)
    hub = (grid.radii > 0.01) & (grid.radii < 0.05)
    np.testing.assert_allclose(height[ring], FACE_Z, atol=grid.step)
    np.testing.assert_allclose(height[hub], HUB_Z, atol=grid.step)
    assert (found.axial > 0.4).all()  # all cameras are on its side


def test_brightness_varies_beyond_a_textureless_disc(
    disc: Sweep,
) -> None:
    """All frames see the whole disc at its own height only."""
    grid, found = disc
    middle, edge = (int(np.abs(grid.radii - r).argmin()) for r in (0.05, 0.185))
    level = int(np.abs(grid.heights - FACE_Z).argmin())
    np.testing.assert_allclose(found.brightness[middle, :, level], math.log1p(90.0), atol=0.05)
    np.testing.assert_allclose(found.brightness_std[middle, :, level], 0.0, atol=0.02)
    near = abs(int(found.brightness_std[edge].mean(axis=0).argmin()) - level)
    assert near <= 1


def test_spokes_are_counted(spoked: Sweep) -> None:
    grid, found = spoked
    assert count_spokes(grid, [found], RADIUS) == 5
    level = np.repeat(found.value.mean(axis=1, keepdims=True), len(grid.angles), axis=1)
    uniform = replace(found, value=level)
    assert count_spokes(grid, [uniform], RADIUS) == 1


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


def test_a_textureless_disc_is_found_where_nothing_can_be_compared(
    disc: Sweep,
) -> None:
    grid, found = disc
    at = (grid.radii > 0.03) & (grid.radii < 0.15)
    consistency = symmetrise_consistency(grid, found, 1, RADIUS).mean(axis=1)
    assert consistency[at].max() < 0.05
    unsure = np.full(grid.shape, -1.2, np.float32)
    probability = 1.0 / (1.0 + np.exp(-unsure.mean(axis=1)))
    face = find_textureless_face(grid, found.textureless, consistency, probability, RADIUS)
    assert (face.certainty[at] > 0.9).all()
    assert not face.certainty[grid.radii > 0.22].any()  # there the ring has texture
    np.testing.assert_allclose(grid.heights[face.position[at]], FACE_Z, atol=grid.step)
    inside = np.full(grid.shape, 0.1, np.float32)
    shell = np.zeros((len(grid.radii), len(grid.heights)), bool)

    def solid(config: WeightedConfig, field: NDArray[np.float32]) -> NDArray[np.bool_]:
        share = segment(grid, field, inside, shell, {1: found}, 1, config, **SIZES)
        return np.asarray(share[at] > 0.5)

    section = solid(WeightedConfig(), unsure)
    assert section.any(axis=2).all()
    top = grid.heights[section.shape[2] - 1 - section[..., ::-1].argmax(axis=2)]
    np.testing.assert_allclose(top, FACE_Z, atol=1.5 * grid.step)
    assert not solid(WeightedConfig(textureless_weight=0.0), unsure).any()
    empty = np.full(grid.shape, -4.0, np.float32)
    assert not solid(WeightedConfig(), empty).any()  # the plain ground behind a tyre without a rim


def test_spokes_are_no_textureless_face(spoked: Sweep) -> None:
    grid, found = spoked
    probability = np.full(found.textureless.shape, 0.3, np.float32)
    consistency = symmetrise_consistency(grid, found, 5, RADIUS).mean(axis=1)
    face = find_textureless_face(
        grid,
        found.textureless,
        consistency,
        probability,
        RADIUS,
    )
    assert not face.certainty[(grid.radii > 0.08) & (grid.radii < 0.18)].any()


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


def test_a_separate_hub_is_connected_along_the_likeliest_path() -> None:
    grid = make_grid(0.3, 0.1, steps=30, angles=60)
    r, _, z = np.meshgrid(grid.radii, grid.angles, grid.heights, indexing="ij")
    tyre = (r > 0.2) & (r < 0.29) & (np.abs(z) < 0.08)
    hub = (r < 0.06) & (np.abs(z - 0.05) < 0.02)
    share = (tyre | hub).astype(np.float32)
    _, flat_z = np.meshgrid(grid.radii, grid.heights, indexing="ij")
    likely = np.where(np.abs(flat_z - 0.05) < 0.011, 0.5, 0.05).astype(np.float32)
    likely[np.abs(flat_z) > 0.09] = 0.0
    everywhere = np.ones(grid.shape, bool)
    connected = connect_components(grid, share, likely, everywhere, thickness=0.03)
    drawn = (connected > 0.5) & ~(tyre | hub)
    half = everywhere.copy()
    half[:, :30] = False
    gap = connect_components(grid, share, likely, half, thickness=0.03)[:, 5:25] > 0.5
    np.testing.assert_array_equal(gap, (tyre | hub)[:, 5:25])
    assert drawn.any(axis=(0, 2)).all()  # all around
    heights = grid.heights[np.nonzero(drawn)[2]]
    assert abs(heights.mean() - 0.05) < 0.011  # along the likely height
    assert label(np.concatenate([connected > 0.5] * 2, axis=1))[1] == 1
    whole = tyre.astype(np.float32)
    np.testing.assert_array_equal(
        connect_components(grid, whole, likely, everywhere, thickness=0.03), whole
    )
