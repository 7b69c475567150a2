"""The tyre frame in the world, and masks as the fusion sees them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tasks.fusion.views import TyrePlacement, load_views, place_tyre, repose_views
from tasks.geometry.camera import look_at
from tasks.geometry.similarity import camera_moved
from tasks.poses.record import ObjectEstimate

CAMERA = look_at(np.array([3.0, 4.0, 9.0]), np.zeros(3), focal_px=300.0, width=400, height=300)
POINTS = np.random.default_rng(0).normal(size=(20, 3))


def placement() -> TyrePlacement:
    axes = Rotation.random(random_state=1).as_matrix()
    return TyrePlacement(axes, np.array([0.3, -2.0, 1.0]), 0.25)


def test_the_axle_is_z_up_is_y_and_the_diameter_is_the_given_one() -> None:
    axle = np.array([0.0, 3.0, 4.0])
    tyre = ObjectEstimate(np.array([1.0, 2, 3]), axle, np.array([1.0, 1, 1]), 1.5, half_width=0.5)
    placed = place_tyre(tyre, 0.6)
    to_tyre = placed.similarity
    rim = tyre.centre + 1.5 * np.array([[1.0, 0, 0], [-1.0, 0, 0]])  # across the axle
    assert np.linalg.norm(np.diff(to_tyre.apply(rim), axis=0)) == pytest.approx(0.6)
    np.testing.assert_allclose(to_tyre.apply(tyre.centre[None])[0], 0, atol=1e-12)
    directions = to_tyre.apply(tyre.centre + np.stack([axle / 5, tyre.up])) / placed.scale
    np.testing.assert_allclose(directions[0], [0, 0, 1], atol=1e-12)
    assert directions[1, 0] == pytest.approx(0.0)
    assert directions[1, 1] > 0
    assert np.linalg.det(placed.axes) == pytest.approx(1.0)


def test_a_camera_in_the_tyre_frame_is_the_one_that_moved_along() -> None:
    placed = placement()
    found, expected = placed.camera(CAMERA), camera_moved(CAMERA, placed.similarity)
    np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-12)
    np.testing.assert_allclose(found.translation, expected.translation, atol=1e-12)


def test_a_placement_that_is_moved_leads_where_the_points_are_moved_to() -> None:
    placed, turn = placement(), Rotation.random(random_state=2).as_matrix()
    shift, stretch = np.array([0.1, -0.2, 0.3]), 1.3
    moved = placed.moved(turn, shift, stretch)
    expected = stretch * (placed.similarity.apply(POINTS) - shift) @ turn
    np.testing.assert_allclose(moved.similarity.apply(POINTS), expected, atol=1e-12)


def masked(path: Path, *discs: tuple[int, int, int], hole: int = 0) -> Path:
    alpha = np.zeros((300, 400), np.uint8)
    for x, y, radius in discs:
        cv2.circle(alpha, (x, y), radius, 255, -1)
    if hole:
        cv2.circle(alpha, discs[0][:2], hole, 0, -1)
    cv2.imwrite(str(path), alpha)
    return path


def test_masks_are_the_largest_body_filled_at_the_working_size(tmp_path: Path) -> None:
    paths = {
        1: masked(tmp_path / "1.png"),  # nothing in it
        7: masked(tmp_path / "7.png", (200, 150, 80), (30, 30, 15), hole=20),
        9: masked(tmp_path / "9.png", (200, 150, 80)),  # without a pose
        3: masked(tmp_path / "3.png", (100, 150, 60)),
    }
    placed = placement()
    views = load_views({7: CAMERA, 3: CAMERA, 1: CAMERA}, paths, placed, longest_px=200)
    assert [view.index for view in views] == [3, 7]
    view = views[1]
    assert view.mask.shape == view.signed.shape == (150, 200)
    assert view.mask.sum() == pytest.approx(np.pi * 40**2, rel=0.03)
    assert view.mask[75, 100], "holes are filled"
    assert view.signed[75, 100] == pytest.approx(40.0, abs=1.5)
    np.testing.assert_array_equal(view.signed > 0, view.mask)
    half = placed.camera(CAMERA).project(POINTS)
    np.testing.assert_allclose(view.camera.project(POINTS)[:, :2], half[:, :2] / 2, atol=1e-9)


def test_views_are_posed_anew_at_their_size(tmp_path: Path) -> None:
    path = masked(tmp_path / "a.png", (200, 150, 80))
    old, new = placement(), placement().moved(np.eye(3), np.ones(3), 2.0)
    (view,) = repose_views(
        load_views({4: CAMERA}, {4: path}, old, longest_px=100), {4: CAMERA}, new
    )
    (expected,) = load_views({4: CAMERA}, {4: path}, new, longest_px=100)
    np.testing.assert_allclose(view.camera.translation, expected.camera.translation)
    assert view.camera.width == 100
    np.testing.assert_array_equal(view.mask, expected.mask)
