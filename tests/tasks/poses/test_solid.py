"""The tyre as a solid of revolution, against projections of known solids."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.geometry.camera import Camera, look_at
from tasks.poses.outline import Outline, outline_of_mask, overlap, polygon_of_support
from tasks.poses.solid import Solid, Views, fit_solid

FloatArray = NDArray[np.float64]
RADIUS, HALF_WIDTH = 0.36, 0.17
CENTRE = np.array([0.05, -0.1, 0.02])
AXLE = np.array([0.55, 0.02, 0.83]) / np.linalg.norm([0.55, 0.02, 0.83])


def tyre_points() -> FloatArray:
    """Surface points of a tyre with round shoulders, a profile that the fit does not know."""
    e1 = np.cross(AXLE, [0.0, 1.0, 0.0])
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(AXLE, e1)
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)[:, None]
    rings = []
    for u in np.linspace(-1, 1, 41):
        r = RADIUS * (1 - 0.12 * abs(u) ** 4 - 0.03 * u * u)
        rings.append(CENTRE + u * HALF_WIDTH * AXLE + r * (np.cos(angle) * e1 + np.sin(angle) * e2))
    return np.concatenate(rings)


def mask_of(camera: Camera, points: FloatArray) -> NDArray[np.uint8]:
    """The silhouette of convex points, anti-aliased."""
    hull = cv2.convexHull(((camera.project(points)[:, :2] * 4 - 0.5) * 16).round().astype(np.int32))
    fine = np.zeros((camera.height * 4, camera.width * 4), np.uint8)
    cv2.fillConvexPoly(fine, hull, 255, cv2.LINE_8, 4)
    small = cv2.resize(fine, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def cameras_around(count: int, arc_deg: float) -> list[Camera]:
    """Cameras on an uneven arc around the tyre."""
    cameras = []
    for i in range(count):
        turn, rise = np.radians(arc_deg) * i / count + 1, np.radians(20 + 10 * np.sin(i))
        ring = np.array([np.cos(turn) * np.cos(rise), np.sin(rise), np.sin(turn) * np.cos(rise)])
        target = CENTRE + 0.02 * np.array([np.sin(3.0 * i), np.cos(5.0 * i), 0.0])
        cameras.append(look_at(CENTRE + 1.6 * ring, target, focal_px=600, width=640, height=480))
    return cameras


def outline(mask: NDArray[np.uint8]) -> Outline:
    found = outline_of_mask(mask)
    assert found is not None
    return found


def axle_error_deg(solid: Solid) -> float:
    return float(np.degrees(np.arccos(min(1.0, abs(solid.axle @ AXLE)))))


def test_support_is_that_of_the_projected_circles() -> None:
    solid = Solid(CENTRE, AXLE, RADIUS, HALF_WIDTH, np.full((2, 5), 0.02))
    camera = cameras_around(5, 360)[2]
    z, r = solid.circles()
    e1 = np.cross(AXLE, [0.0, 1.0, 0.0])
    e1 /= np.linalg.norm(e1)
    angle = np.linspace(0, 2 * np.pi, 2000)[:, None, None]
    ring = np.cos(angle) * e1 + np.sin(angle) * np.cross(AXLE, e1)
    points = CENTRE + z[None, :, None] * AXLE + r[None, :, None] * ring
    seen = camera.project(points.reshape(-1, 3))[:, :2]
    views = Views([camera], [outline(mask_of(camera, tyre_points()))])
    from tasks.poses.outline import DIRECTIONS

    np.testing.assert_allclose(
        views.supports(solid)[0], (DIRECTIONS @ seen.T).max(axis=1), atol=1e-3
    )


def test_outline_of_a_disc_is_its_circle() -> None:
    v, u = np.mgrid[:200, :300] + 0.5
    mask = np.where(np.hypot(u - 140.3, v - 90.7) < 60, 255, 0).astype(np.uint8)
    found = outline(mask)
    np.testing.assert_allclose(found.centre, [140.3, 90.7], atol=0.4)
    assert found.size == pytest.approx(120, abs=0.5)
    assert found.valid.all()
    assert overlap(polygon_of_support(found.support), found.hull, 300, 200) > 0.995


def test_outline_ignores_whiskers_and_far_blobs_and_marks_cut_off_sides() -> None:
    mask = np.zeros((200, 300), np.uint8)
    cv2.circle(mask, (20, 100), 60, 255, -1)
    cv2.line(mask, (60, 100), (200, 60), 255, 1)
    cv2.circle(mask, (270, 30), 15, 255, -1)
    found = outline(mask)
    assert found.hull[:, 0].max() < 83
    assert not found.valid[len(found.valid) // 2]  # towards -x the image ends
    assert found.valid[0]


def test_an_empty_mask_has_no_outline() -> None:
    assert outline_of_mask(np.zeros((50, 50), np.uint8)) is None


@pytest.mark.parametrize("arc_deg", [360.0, 150.0])
def test_fit_finds_axle_centre_and_size(arc_deg: float) -> None:
    cameras = cameras_around(20, arc_deg)
    points = tyre_points()
    solid = fit_solid(Views(cameras, [outline(mask_of(c, points)) for c in cameras]))
    assert axle_error_deg(solid) < 0.1
    assert np.linalg.norm(solid.centre - CENTRE) < 0.002 * 2 * RADIUS
    assert solid.radius == pytest.approx(RADIUS, rel=0.004)
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
    assert axle_error_deg(solid) < 0.8
    assert np.linalg.norm(solid.centre - CENTRE) < 0.01 * 2 * RADIUS
    assert solid.radius == pytest.approx(RADIUS, rel=0.03)
    shares = views.overlaps(solid)
    assert shares[::8].max() < 0.7 < 0.85 < np.delete(shares, np.s_[::8]).min()
