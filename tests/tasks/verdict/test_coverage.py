"""The way of the camera in degrees, and what was seen of each part."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tasks.verdict.coverage import face_steepness, parts_seen, unseen_hours, way_of
from tests.tasks.verdict.scene import drum, estimate, orbit


@pytest.mark.parametrize("sense", [1, -1])
def test_angles_count_in_the_direction_of_the_walk(sense: int) -> None:
    cameras = orbit(24)[::sense]
    kept = {i: c for i, c in enumerate(cameras) if not 8 <= i <= 11}
    poses = estimate(cameras)
    poses = replace(poses, cameras={i: poses.cameras[i] for i in kept})
    way = way_of(poses)
    ((low, high),) = way.gaps(30.0)
    assert (low, high) == pytest.approx((7 * 15, 12 * 15), abs=1.0)
    start = "outer face"
    assert way.faces_at(0) == start
    assert way.faces_at(180) == "inner face"
    assert way.faces_at(90) == way.faces_at(270) == "tread"


def test_what_was_filmed_is_the_circle_less_its_widest_gap() -> None:
    way = way_of(estimate(orbit(10, arc_deg=150.0)))
    assert way.seen_deg == pytest.approx(135.0, abs=0.1)
    assert list(way.angles_deg.values()) == pytest.approx([15.0 * k for k in range(10)], abs=0.1)
    ((low, high),) = way.gaps(30.0)
    assert (low, high) == pytest.approx((135.0, 360.0), abs=0.1)
    assert len(way.gaps(0.0)) == 10
    assert way_of(estimate(orbit(36))).gaps(11.0) == []


def test_a_walk_of_more_than_a_turn_runs_past_it() -> None:
    way = way_of(estimate(orbit(40, arc_deg=500.0)))
    assert max(way.angles_deg.values()) == pytest.approx(500.0 * 39 / 40, abs=0.1)
    assert way.seen_deg > 340


@pytest.mark.parametrize(("elevation", "cosine"), [(0.0, 1.0), (0.3, math.cos(0.3))])
def test_how_frontally_each_face_was_seen(elevation: float, cosine: float) -> None:
    whole = face_steepness(way_of(estimate(orbit(24, elevation=elevation))))
    assert whole == pytest.approx((cosine, cosine), abs=1e-6)
    half = face_steepness(way_of(estimate(orbit(10, arc_deg=100.0, elevation=elevation))))
    assert half == pytest.approx((cosine, 0.0), abs=0.01)


def test_shares_of_the_parts_are_counted_outside_of_the_tyre() -> None:
    assert parts_seen(drum()) == {"outer face": 1.0, "inner face": 1.0, "tread": 1.0}
    found = parts_seen(drum(seen_above=0.0))
    assert (found["outer face"], found["inner face"]) == (1.0, 0.0)
    assert found["tread"] == pytest.approx(0.5, abs=0.07)
    mesh = drum()
    inside_out = replace(mesh, faces=mesh.faces[:, ::-1].copy())
    assert set(parts_seen(inside_out).values()) == {0.0}, "what looks inwards is no part"


@pytest.mark.parametrize(("part", "side"), [("outer face", 1), ("inner face", -1)])
def test_hours_are_those_of_one_who_stands_before_the_face(part: str, side: int) -> None:
    """What lies on +x is at three o'clock of the outer face, at nine of the inner one."""
    mesh = drum()
    x, y, z = mesh.vertices.T
    angle = np.degrees(np.arctan2(side * x, y)) % 360
    hidden = (side * z > 0) & (angle > 75) & (angle < 165)  # hours 3, 4 and 5
    found = unseen_hours(replace(mesh, inferred=hidden), part)
    assert found == [3, 4, 5]
    other = {"outer face": "inner face", "inner face": "outer face"}[part]
    assert unseen_hours(replace(mesh, inferred=hidden), other) == []
    top = (side * z > 0) & ((angle < 14) | (angle > 346))
    assert unseen_hours(replace(mesh, inferred=top), part) == [12]
