"""Poses of a spin from its outline and points on the face, on the rendered drum."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tasks.poses.sfm import Matches
from tasks.poses.solid import TYPICAL_FALLS, Solid
from tasks.poses.steady_spin import (
    median_outline,
    on_face,
    outlines_alike,
    outlines_sway,
    steady_spin,
)
from tests.tasks.poses.scene import HALF_WIDTH, write_video
from tests.tasks.poses.silhouettes import AXLE, CENTRE, cameras_around
from tests.tasks.poses.test_spin import SIZES, cameras_of
from tests.tasks.poses.test_spin import outlines_of as outlines_of_spin
from tests.tasks.poses.test_steady_orbit import disc, errors_of, outlines_of


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


def test_a_hand_shows_in_how_the_outline_sways() -> None:
    turns = np.arange(12) * 15.0
    assert outlines_sway(outlines_of_spin(cameras_of(turns, SIZES["landscape"], 0.02)))
    assert not outlines_sway(outlines_of_spin(cameras_of(turns, SIZES["landscape"], 0.0)))


def test_an_orbit_changes_the_outline(tmp_path: Path) -> None:
    video = write_video(tmp_path, "orbit", count=8, size=(240, 180), arc_deg=120.0)
    assert not outlines_alike(outlines_of(video))


def test_the_median_outline_leaves_out_what_few_frames_show() -> None:
    plain, large = disc(), disc(radius=80)
    cut_off = replace(plain, valid=np.zeros_like(plain.valid))
    found = median_outline([plain, large, plain, cut_off, plain])
    np.testing.assert_array_equal(found.support, plain.support)
    assert found.valid.all() == plain.valid.all()
    assert not median_outline([plain, cut_off, cut_off]).valid.any()


def test_pixels_of_the_face_are_known_in_radii_from_the_axle() -> None:
    solid = Solid(CENTRE, AXLE, 0.36, 0.17, np.stack([TYPICAL_FALLS, TYPICAL_FALLS]))
    camera = max(cameras_around(12, 360), key=lambda c: float((c.centre - CENTRE) @ AXLE))
    across = np.cross(AXLE, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    up = np.cross(across, AXLE)
    turns = np.radians([0.0, 90.0, 200.0])
    face = CENTRE + 0.17 * AXLE
    rim = face + 0.18 * (np.cos(turns)[:, None] * across + np.sin(turns)[:, None] * up)
    found = on_face(camera.project(rim)[:, :2], camera, solid)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 0.5)
    angles = np.unwrap(np.arctan2(found[:, 1], found[:, 0]))
    assert np.abs(np.diff(angles)) == pytest.approx(np.radians([90.0, 110.0]))
    outside = camera.project((face + 0.36 * across)[None])[:, :2]
    assert np.isnan(on_face(outside, camera, solid)).all()
