"""Poses of an orbit from outlines alone, on the rendered drum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.poses.outline import Outline, outline_of_mask, read_outline
from tasks.poses.record import ObjectEstimate
from tasks.poses.solid import TYPICAL_FALLS
from tasks.poses.steady_orbit import (
    SteadyMotion,
    camera_of_pose,
    phases,
    plain_solid,
    pose_on_path,
    steady_orbit,
)
from tests.tasks.poses.measure import PoseErrors, pose_errors
from tests.tasks.poses.scene import HALF_WIDTH, RADIUS, Video, write_video


def outlines_of(video: Video) -> dict[int, Outline]:
    found = {i: read_outline(p) for i, p in video.alphas.items()}
    return {i: o for i, o in found.items() if o is not None}


def errors_of(steady: SteadyMotion, video: Video) -> PoseErrors:
    solid = steady.solid
    up = np.array([0.0, 1.0, 0.0])
    tyre = ObjectEstimate(solid.centre, solid.axle, up, solid.radius, solid.half_width)
    return pose_errors(steady.cameras, tyre, video.cameras, RADIUS, HALF_WIDTH)


@pytest.mark.parametrize("arc_deg", [360.0, -200.0])
def test_an_orbit_is_read_off_the_outlines(tmp_path: Path, arc_deg: float) -> None:
    video = write_video(tmp_path, "orbit", count=16, size=(240, 180), arc_deg=arc_deg)
    outlines = outlines_of(video)
    found = errors_of(steady_orbit(outlines, video.times, fov_deg=60.0), video)
    assert found.rotation_deg < 3.0
    assert found.worst_rotation_deg < 6.0
    assert found.axle_deg < 2.0
    assert found.up_deg < 2.0


def disc(centre: tuple[int, int] = (200, 120), radius: int = 60) -> Outline:
    v, u = np.mgrid[0:240, 0:320] + 0.5
    found = outline_of_mask(
        255 * (np.hypot(u - centre[0], v - centre[1]) < radius).astype(np.uint8)
    )
    assert found is not None
    return found


def test_time_runs_from_nothing_to_one_or_by_the_frames_where_it_stands_still() -> None:
    outlines = dict.fromkeys((7, 3, 5), disc())
    indices, phase = phases(outlines, {3: 1.0, 5: 1.5, 7: 3.0})
    assert indices == [3, 5, 7]
    assert phase.tolist() == [0.0, 0.25, 1.0]
    assert phases(outlines, dict.fromkeys(outlines, 2.0))[1].tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (0.7, 0.3), (-2.0, 1.0)])
def test_the_camera_of_a_pose_stands_where_it_says_and_aims_at_the_outline(
    azimuth: float, elevation: float
) -> None:
    outline = disc()
    path = np.concatenate([[2.0, elevation, azimuth - 1.0, np.log(0.42)], TYPICAL_FALLS])
    pose = pose_on_path(path, 0.5, outline, 60.0)
    camera = camera_of_pose(pose, outline, 60.0)
    distance = np.linalg.norm(camera.centre)
    x, y, z = camera.centre / distance
    assert (np.arctan2(x, z), np.arcsin(y)) == pytest.approx((azimuth, elevation))
    assert camera.fx == pytest.approx(160 / np.tan(np.radians(30)))
    ((u, v, depth),) = camera.project(np.zeros((1, 3)))
    assert (u, v) == pytest.approx(tuple(outline.centre), abs=1e-6)
    assert depth > 0
    # a sphere of radius 1 there is as large as the outline
    assert 2 * camera.fx / np.sqrt(distance**2 - 1) == pytest.approx(outline.size, rel=1e-6)


def test_a_plain_solid_is_alike_on_both_sides() -> None:
    solid = plain_solid(np.concatenate([[1.0, 0.2, 0.0, np.log(0.4)], TYPICAL_FALLS]))
    assert (solid.radius, solid.half_width) == pytest.approx((1.0, 0.4))
    z, r = solid.circles()
    np.testing.assert_allclose(np.sort(z), -np.sort(z)[::-1], atol=1e-12)
    assert r.max() == pytest.approx(1.0)
