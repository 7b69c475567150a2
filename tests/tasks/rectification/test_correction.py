"""Masks with known faults, corrected by the solid that they show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs.stages import RectifyConfig
from tasks.geometry.camera import Camera
from tasks.poses.fit_solid import refine_solid
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views
from tasks.rectification.correction import (
    MaskErrors,
    correct_mask,
    opening_outline,
    polygon_coverage,
    warnings_of,
)
from tests.tasks.poses.silhouettes import (
    AXLE,
    CENTRE,
    HALF_WIDTH,
    RADIUS,
    bucket,
    cameras_around,
    mask_of,
    outline,
    post,
    stand,
    tyre_points,
)

CONFIG = RectifyConfig()
CAMERAS = cameras_around(8, 360)


@pytest.fixture(scope="module")
def solid() -> Solid:
    """The tyre as the right masks show it."""
    views = Views(CAMERAS, [outline(mask_of(c, tyre_points())) for c in CAMERAS])
    falls = np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
    return refine_solid(views, Solid(CENTRE, AXLE, RADIUS, HALF_WIDTH, falls))


def corrected(
    mask: NDArray[np.uint8], camera: Camera, solid: Solid
) -> tuple[NDArray[np.uint8], MaskErrors]:
    shape = Views([camera], [outline(mask)]).tangent_points(solid)[0]
    return correct_mask(mask, shape, opening_outline(solid, camera), CONFIG)


def iou(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    a, b = one > 127, other > 127
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("camera", CAMERAS)
def test_right_masks_stay_as_they_are(camera: Camera, solid: Solid) -> None:
    mask = mask_of(camera, tyre_points())
    alpha, faults = corrected(mask, camera, solid)
    assert alpha is mask
    assert max(faults.excess, faults.lack) < CONFIG.least_share


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("beside", ["stand", "post", "bucket"])
def test_what_stands_beside_the_tyre_goes(camera: Camera, beside: str, solid: Solid) -> None:
    things = {"stand": stand(), "post": post(), "bucket": bucket()}[beside]
    true, mask = mask_of(camera, tyre_points()), mask_of(camera, tyre_points(), *things)
    before = iou(mask, true)
    alpha, faults = corrected(mask, camera, solid)
    assert iou(alpha, true) > min(0.99, before)
    held = float(((mask > 127) & (true <= 127)).sum() / (true > 127).sum())
    assert faults.excess == pytest.approx(held, abs=0.02)
    if beside == "stand":
        assert faults.excess_side == "below"
    assert faults.lack == 0.0


def test_rubber_is_filled_and_openings_are_not(solid: Solid) -> None:
    camera = min(CAMERAS, key=lambda c: abs(float((c.centre - CENTRE) @ AXLE) - 1.2))
    true = mask_of(camera, tyre_points())
    u, v, _ = camera.project((CENTRE + 0.9 * HALF_WIDTH * AXLE)[None])[0]
    cv2.circle(true, (int(u), int(v)), 25, 0, -1)  # an opening of the rim
    mask = true.copy()
    rows, columns = np.nonzero(mask > 127)
    last = int(columns.argmax())
    cv2.circle(mask, (int(columns[last]) - 8, int(rows[last])), 22, 0, -1)  # a hand on the tread
    alpha, faults = corrected(mask, camera, solid)
    assert faults.lack > 0.01
    assert faults.lack_side == "right"
    assert iou(alpha, true) > 0.995 > iou(mask, true)
    assert alpha[int(v), int(u)] == 0


def test_a_mask_that_lacks_much_is_refused_with_the_reason(solid: Solid) -> None:
    camera = CAMERAS[3]
    mask = mask_of(camera, tyre_points())
    columns = np.flatnonzero((mask > 127).any(axis=0))
    mask[:, columns[len(columns) // 2] :] = 0
    _, faults = corrected(mask, camera, solid)
    assert faults.refusal(CONFIG).startswith("its mask lacks ")
    assert faults.refusal(CONFIG).endswith("% of the tyre, on its right")


def test_warnings_say_which_way_masks_are_wrong_and_where() -> None:
    right, stood = MaskErrors(0.0, "", 0.0, ""), MaskErrors(0.23, "below", 0.0, "")
    bitten = MaskErrors(0.0, "", 0.08, "left")
    assert warnings_of([right, right], CONFIG) == []
    (more,) = warnings_of([stood, stood, right], CONFIG)
    assert "2 of 3 frames more than the tyre was taken for it, mostly below it (probably a" in more
    (less,) = warnings_of([bitten, right], CONFIG)
    assert "1 of 2 frames a part of the tyre was missed, mostly on its left" in less
    assert not {"mask", "solid"} & set(f"{more} {less}".replace(",", "").split())


def test_coverage_counts_pixel_centres_at_half_integers() -> None:
    square = np.array([[2.0, 3.0], [6.5, 3.0], [6.5, 8.0], [2.0, 8.0]])
    expected = np.zeros((10, 10))
    expected[3:8, 2:6], expected[3:8, 6] = 255, 128
    np.testing.assert_allclose(polygon_coverage(square, (10, 10)), expected, atol=1)


def test_coverage_sums_to_the_area_of_the_polygon() -> None:
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    polygon = np.stack([40.3 + 30 * np.cos(angle), 35.7 + 20 * np.sin(angle)], axis=1)
    area = float(polygon_coverage(polygon, (80, 100)).sum()) / 255
    assert area == pytest.approx(np.pi * 30 * 20, rel=0.002)
    beyond = polygon - [40.3, 0.0]  # half of it lies outside the image
    assert float(polygon_coverage(beyond, (80, 100)).sum()) / 255 == pytest.approx(
        area / 2, rel=0.01
    )
