"""The fitted solid, against silhouettes of known tyres."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.poses.fit_solid import fit_solid
from tasks.poses.solid import Views
from tests.tasks.poses.silhouettes import (
    CENTRE,
    HALF_WIDTH,
    RADIUS,
    axle_error_deg,
    bucket,
    cameras_around,
    mask_of,
    outline,
    post,
    stand,
    tyre_points,
)

WIDE = 0.55 * RADIUS
"""Half the width of a tyre that is 0.55 diameters wide."""


@pytest.mark.parametrize("arc_deg", [360.0, 150.0])
def test_fit_finds_axle_centre_and_size(arc_deg: float) -> None:
    cameras = cameras_around(20, arc_deg)
    points = tyre_points()
    solid = fit_solid(Views(cameras, [outline(mask_of(c, points)) for c in cameras]))
    assert axle_error_deg(solid) < 0.1
    assert np.linalg.norm(solid.centre - CENTRE) < 0.002 * 2 * RADIUS
    assert solid.radius == pytest.approx(RADIUS, rel=0.004)
    assert solid.half_width == pytest.approx(HALF_WIDTH, rel=0.01)


@pytest.mark.parametrize("half_width", [HALF_WIDTH, WIDE])
@pytest.mark.parametrize("beside", ["stand", "post", "stand and bucket"])
def test_what_stands_beside_the_tyre_in_all_masks_does_not_count(
    half_width: float, beside: str
) -> None:
    """Such masks are taller than wide; roundness would put the axle through the tread."""
    things = {"stand": stand(half_width), "post": post(half_width)}
    things["stand and bucket"] = [*stand(half_width), *bucket()]
    cameras = cameras_around(24, 300)
    points = tyre_points(half_width)
    solid = fit_solid(
        Views(cameras, [outline(mask_of(c, points, *things[beside])) for c in cameras])
    )
    assert axle_error_deg(solid) < 0.3
    assert np.linalg.norm(solid.centre - CENTRE) < 0.005 * 2 * RADIUS
    assert solid.radius == pytest.approx(RADIUS, rel=0.01)
    # the post hides one face wherever it would be seen from the side
    assert solid.half_width == pytest.approx(half_width, rel=0.03 if beside == "post" else 0.01)


def test_masks_that_hold_too_much_and_lack_parts_at_once() -> None:
    rng = np.random.default_rng(0)
    cameras = cameras_around(24, 300)
    outlines = []
    for camera in cameras:
        mask = mask_of(camera, tyre_points(), *stand())
        rows, columns = np.nonzero(mask_of(camera, tyre_points()))
        for k in rng.integers(0, len(rows), 2):  # hands before it
            spot = (int(columns[k]), int(rows[k]))
            cv2.circle(mask, spot, int(rng.integers(12, 35)), 0, -1)
        outlines.append(outline(mask))
    solid = fit_solid(Views(cameras, outlines))
    assert axle_error_deg(solid) < 0.3
    assert solid.radius == pytest.approx(RADIUS, rel=0.01)
    assert solid.half_width == pytest.approx(HALF_WIDTH, rel=0.01)


def test_fit_withstands_ragged_masks_shadows_and_lost_frames() -> None:
    rng = np.random.default_rng(0)
    cameras = cameras_around(24, 360)
    points = tyre_points()
    outlines = []
    for i, camera in enumerate(cameras):
        mask = mask_of(camera, points)
        edge = cv2.findContours((mask > 127).astype(np.uint8), 0, cv2.CHAIN_APPROX_NONE)[0][0][:, 0]
        for k in rng.integers(0, len(edge), 30):
            spot = (int(edge[k][0]), int(edge[k][1]))
            cv2.circle(mask, spot, int(rng.integers(1, 4)), int(rng.integers(0, 2)) * 255, -1)
        low = edge[edge[:, 1].argmax()]
        if i % 2:
            cv2.ellipse(mask, (int(low[0]) + 20, int(low[1]) - 4), (60, 10), 0, 0, 360, 255, -1)
        if i % 8 == 0:
            mask[:, : int(edge[:, 0].mean())] = 0
        outlines.append(outline(mask))
    views = Views(cameras, outlines)
    solid = fit_solid(views)
    assert axle_error_deg(solid) < 0.2
    assert np.linalg.norm(solid.centre - CENTRE) < 0.003 * 2 * RADIUS
    assert solid.radius == pytest.approx(RADIUS, rel=0.01)
    scores = views.agreement(solid).score
    assert scores[::8].max() < 0.6 < 0.85 < np.delete(scores, np.s_[::8]).min()
