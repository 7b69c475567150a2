"""What frames show of a floor of two colours, half of it in the shadow of a plate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.stages import AtlasConfig
from tasks.atlas.views import VertexViews, look_at_vertices
from tasks.geometry.camera import look_at

SIDE, PLATE, ABOVE = 0.5, 0.1, 0.2
CAMERA = look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), focal_px=400.0, width=300, height=300)
CONFIG = AtlasConfig(local_colour_m=0.01)


def surface() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A floor of 41 x 41 vertices and a plate above its middle: vertices, faces, normals."""
    steps = np.linspace(-SIDE, SIDE, 41)
    x, y = np.meshgrid(steps, steps, indexing="ij")
    floor = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    at = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = (s.ravel() for s in (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]))
    square = [[-PLATE, -PLATE], [PLATE, -PLATE], [PLATE, PLATE], [-PLATE, PLATE]]
    plate = np.column_stack([square, np.full(4, ABOVE)])
    faces = [np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]
    faces += [41 * 41 + np.array([[0, 1, 2], [0, 2, 3]])]
    vertices = np.concatenate([floor, plate])
    return vertices, np.concatenate(faces), np.tile([0.0, 0.0, 1.0], (len(vertices), 1))


def filmed(folder: Path, *, blur: float = 0.0, name: str = "a") -> tuple[Path, Path]:
    """A frame, red left of the middle and blue right of it, with stripes; its mask has a margin."""
    image = np.zeros((300, 300, 3), np.uint8)
    image[:, :150], image[:, 150:] = (0, 0, 200), (200, 0, 0)
    image[::10] //= 2
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    alpha = np.zeros((300, 300), np.uint8)
    alpha[40:260, 40:260] = 255
    paths = folder / f"{name}.png", folder / f"{name}.alpha.png"
    cv2.imwrite(str(paths[0]), image)
    cv2.imwrite(str(paths[1]), alpha)
    return paths


def seen(*frames: tuple[Path, Path]) -> VertexViews:
    cameras = dict.fromkeys(range(len(frames)), CAMERA)
    images, alphas = ({k: f[n] for k, f in enumerate(frames)} for n in (0, 1))
    return look_at_vertices(*surface(), cameras, images, alphas, CONFIG)


def test_weights_are_cosines_where_nothing_is_in_the_way(tmp_path: Path) -> None:
    """Out of the plate's shadow, its neighbours', and of the mask's margin."""
    views = seen(filmed(tmp_path))
    vertices = surface()[0][: 41 * 41]
    (weights,) = views.weights[:, : 41 * 41]
    reach = np.abs(vertices[:, :2]).max(axis=1)
    shadow, step = PLATE * 2 / (2 - ABOVE), 2 * SIDE / 40
    assert not weights[reach < shadow - 1e-9].any()
    beside = (reach < shadow + 0.9 * step) & (np.abs(vertices[:, :2]).min(axis=1) < shadow - step)
    assert not weights[beside].any(), "beside what is hidden"
    margin_m = CONFIG.edge_margin * 300 / 200
    clear = (reach > shadow + 1.1 * step) & (reach < 110 / 200 - 2 * margin_m - 0.01)
    distance = np.linalg.norm(vertices - CAMERA.centre, axis=1)
    cosine = (2 / distance - CONFIG.min_cosine) / (1 - CONFIG.min_cosine)
    np.testing.assert_allclose(weights[clear], cosine[clear] ** 2, rtol=0.01)
    assert clear.sum() > 500


def test_colours_are_those_around_the_place(tmp_path: Path) -> None:
    views = seen(filmed(tmp_path))
    vertices = surface()[0]
    shown = views.weights[0] > 0
    left = shown & (vertices[:, 0] < -0.05)
    right = shown & (vertices[:, 0] > 0.05)
    for side, channel in ((left, 0), (right, 2)):
        assert side.sum() > 200
        colour = views.local[0, side]
        assert colour[:, channel].min() > 150, "of an image in RGB"
        assert np.delete(colour, channel, axis=1).max() < 5
    assert not views.local[0, ~shown].any()


def test_a_blurred_frame_counts_by_its_sharpness_and_one_without_a_mask_not_at_all(
    tmp_path: Path,
) -> None:
    sharp, blurred = filmed(tmp_path), filmed(tmp_path, blur=3.0, name="b")
    views = seen(sharp, blurred)
    ratio = views.weights[1][views.weights[0] > 0] / views.weights[0][views.weights[0] > 0]
    assert np.ptp(ratio) < 1e-5
    assert 0 < ratio[0] < 0.3
    cameras = {0: CAMERA, 1: CAMERA}
    only = look_at_vertices(
        *surface(), cameras, {0: sharp[0], 1: blurred[0]}, {0: sharp[1]}, CONFIG
    )
    assert only.weights.shape[0] == len(only.images) == 1
    assert only.weights[0] == pytest.approx(views.weights[0])
