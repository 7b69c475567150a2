"""What a lens does is undone exactly, in points and in images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens

CAMERA = Camera(400.0, 400.0, 240.0, 180.0, 480, 360, np.eye(3), np.zeros(3))
LENSES = [Lens(-0.08), Lens(-0.3, 0.05), Lens(0.12, -0.02), Lens()]


@pytest.mark.parametrize("lens", LENSES)
def test_undistorting_inverts_distorting(lens: Lens) -> None:
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (200, 2))
    np.testing.assert_allclose(lens.undistort(lens.distort(points)), points, atol=1e-12)


def test_a_barrel_draws_points_inwards_by_the_published_amount() -> None:
    seen = Lens(-0.1, 0.01).distort(np.array([[1.0, 0.0], [0.0, 0.5], [0.0, 0.0]]))
    np.testing.assert_allclose(seen, [[0.91, 0.0], [0.0, 0.5 * (1 - 0.025 + 0.000625)], [0, 0]])


def test_the_reach_is_where_the_image_would_fold() -> None:
    assert Lens(0.1).reach == np.inf
    assert Lens(-1.0 / 3.0).reach == pytest.approx(1.0)
    beyond = Lens(-1.0 / 3.0).undistort(np.array([[0.9, 0.0]]))  # nothing is seen beyond 2 / 3
    np.testing.assert_allclose(beyond, [[1.0, 0.0]])


def test_pixels_move_about_the_principal_point() -> None:
    lens = Lens(-0.08)
    pixels = np.array([[240.0, 180.0], [0.0, 0.0]])
    straight = lens.undistort_pixels(pixels, CAMERA)
    np.testing.assert_allclose(straight[0], pixels[0])
    assert np.all(straight[1] < 0)
    np.testing.assert_allclose(lens.distort_pixels(straight, CAMERA), pixels, atol=1e-9)
    square = (240**2 + 180**2) / 400**2
    assert lens.shift_px(CAMERA) == pytest.approx(0.08 * square * 300.0)


@pytest.mark.parametrize("lens", [Lens(-0.1), Lens(0.1)])
def test_an_image_is_undistorted_to_a_third_of_a_pixel(lens: Lens) -> None:
    straight = np.zeros((360, 480), np.uint8)
    seen = np.zeros((360, 480), np.uint8)
    middles = np.array([[x, y] for x in (60, 240, 420) for y in (50, 180, 310)], np.float64)
    v, u = np.mgrid[:360, :480] + 0.5
    behind = lens.undistort_pixels(np.stack([u.ravel(), v.ravel()], 1), CAMERA)
    for image, at in ((straight, np.stack([u.ravel(), v.ravel()], 1)), (seen, behind)):
        near = np.min(np.linalg.norm(at[:, None] - middles, axis=2), axis=1)
        image[:] = (np.clip(12.0 - near, 0, 1) * 255).reshape(360, 480).astype(np.uint8)
    undone = lens.undistort_image(seen, CAMERA)
    found = cv2.connectedComponentsWithStats((undone > 127).astype(np.uint8))[3][1:] + 0.5
    assert len(found) == len(middles)
    for centre in found:
        assert np.min(np.linalg.norm(middles - centre, axis=1)) < 0.34
    assert np.abs(undone.astype(int) - straight).mean() < 1.0


def test_what_no_lens_shows_is_black() -> None:
    white = np.full((360, 480), 255, np.uint8)
    lens = Lens(-0.7)  # folds at 276 pixels from the middle
    undone = lens.undistort_image(white, CAMERA)
    assert undone[0, 0] == 0
    assert undone[180, 20] == 255


def test_labels_are_not_mixed_and_a_pinhole_changes_nothing() -> None:
    parts = np.random.default_rng(0).integers(0, 3, (360, 480)).astype(np.uint8)
    assert set(np.unique(Lens(-0.2).undistort_image(parts, CAMERA, labels=True))) <= {0, 1, 2}
    assert Lens().undistort_image(parts, CAMERA) is parts


def test_the_record_is_read_back() -> None:
    assert Lens.from_dict(Lens(-0.08, 0.01).to_dict()) == Lens(-0.08, 0.01)
