"""Poses from outlines alone, on the rendered drum."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tasks.poses.outline import Outline, read_outline
from tasks.poses.record import ObjectEstimate
from tasks.poses.sfm import Matches
from tasks.poses.steady_orbit import SteadyMotion, steady_orbit
from tasks.poses.steady_spin import outlines_alike, steady_spin
from tests.tasks.poses.measure import PoseErrors, pose_errors
from tests.tasks.poses.scene import HALF_WIDTH, RADIUS, Video, turn, write_video


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
    assert not outlines_alike(outlines)
    found = errors_of(steady_orbit(outlines, video.times, fov_deg=60.0), video)
    assert found.rotation_deg < 3.0
    assert found.worst_rotation_deg < 6.0
    assert found.axle_deg < 2.0
    assert found.up_deg < 2.0


@pytest.mark.parametrize("arc_deg", [360.0, -250.0])
def test_a_spin_is_followed_by_points_on_the_face(tmp_path: Path, arc_deg: float) -> None:
    video = write_video(tmp_path, "spin", count=12, size=(240, 180), arc_deg=arc_deg)
    outlines = outlines_of(video)
    assert outlines_alike(outlines)
    rng = np.random.default_rng(0)
    a = rng.uniform(-0.2, 0.2, (40, 3))
    a[:, 2] = HALF_WIDTH
    matches = []
    order = sorted(video.cameras)
    for i, j in pairwise(order):
        first, second = video.cameras[i].project(a)[:, :2], video.cameras[j].project(a)[:, :2]
        second[:8] += rng.normal(0, 10, (8, 2))
        matches.append(Matches(i, j, first, second))
    assert video.cameras[0].centre[2] > 0  # the face at +z is the one seen
    steady = steady_spin(outlines, video.times, matches, fov_deg=60.0)
    assert steady.measured
    assert abs(steady.sweep_deg) == pytest.approx(abs(arc_deg) * 11 / 12, rel=0.02)
    found = errors_of(steady, video)
    assert found.axle_deg < 3.0
    assert found.worst_rotation_deg < 8.0


def test_without_points_one_turn_is_assumed(tmp_path: Path) -> None:
    video = write_video(tmp_path, "spin", count=6, size=(240, 180))
    steady = steady_spin(outlines_of(video), video.times, [], fov_deg=60.0)
    assert not steady.measured
    assert steady.sweep_deg == pytest.approx(300.0)


def test_turn_is_a_rotation() -> None:
    for axis in range(3):
        np.testing.assert_allclose(turn(axis, 0.3) @ turn(axis, -0.3), np.eye(3), atol=1e-12)
        assert np.linalg.det(turn(axis, 0.3)) == pytest.approx(1.0)
