"""The distance to the visual hull, in metres, and outvoted masks."""

from __future__ import annotations

import numpy as np

from tasks.fusion.evidence.visual_hull import visual_hull_distance
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
