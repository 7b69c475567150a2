"""Outlines of masks with known answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.poses.outline import NUM_POINTS, outline_of_mask
from tests.tasks.poses.silhouettes import outline


def test_outline_of_a_disc_is_its_circle() -> None:
    v, u = np.mgrid[:200, :300] + 0.5
    mask = np.where(np.hypot(u - 140.3, v - 90.7) < 60, 255, 0).astype(np.uint8)
    mask[80:100, 130:150] = 0  # an opening is no outline
    found = outline(mask)
    np.testing.assert_allclose(found.centre, [140.3, 90.7], atol=0.4)
    assert found.size == pytest.approx(120, abs=0.5)
    assert found.valid.all()
    out = found.contour - [140.3, 90.7]
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 60, atol=0.4)
    assert ((out / 60 * found.normals).sum(axis=1) > 0.99).all()
    steps = np.linalg.norm(np.diff(found.contour, axis=0), axis=1)
    np.testing.assert_allclose(steps, 2 * np.pi * 60 / NUM_POINTS, rtol=0.05)
    np.testing.assert_allclose(found.inscribed, [140.3, 90.7, 60], atol=1.5)


def test_what_stands_below_a_disc_hardly_moves_the_circle_inside() -> None:
    mask = np.zeros((300, 300), np.uint8)
    cv2.circle(mask, (150, 110), 80, 255, -1)
    mask[170:280, 110:190] = 255
    found = outline(mask)
    assert found.centre[1] > 150
    np.testing.assert_allclose(found.inscribed, [150, 110, 80], atol=6)


def test_outline_ignores_whiskers_and_far_blobs_and_marks_cut_off_sides() -> None:
    mask = np.zeros((200, 300), np.uint8)
    cv2.circle(mask, (20, 100), 60, 255, -1)
    cv2.line(mask, (60, 100), (200, 60), 255, 1)
    cv2.circle(mask, (270, 30), 15, 255, -1)
    found = outline(mask)
    assert found.hull[:, 0].max() < 83
    assert not found.valid[len(found.valid) // 2]  # towards -x the image ends
    assert found.valid[0]
    assert 0.05 < 1.0 - found.uncut.mean() < 0.4


def test_an_empty_mask_has_no_outline() -> None:
    assert outline_of_mask(np.zeros((50, 50), np.uint8)) is None
