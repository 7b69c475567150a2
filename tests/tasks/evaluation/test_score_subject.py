"""Errors of poses and scores of meshes that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from tasks.evaluation.distance import SurfaceDistance
from tasks.evaluation.metrics import Truth, sample_surface
from tasks.evaluation.score_subject import score_poses, score_result
from tasks.geometry.camera import Camera, look_at
from tasks.poses.record import ObjectEstimate, PoseEstimate


def orbit(count: int) -> dict[int, Camera]:
    """True cameras round the tyre, in its frame."""
    cameras = {}
    for index in range(count):
        angle = 2 * math.pi * index / count
        eye = np.array([2 * math.sin(angle), 0.5, 2 * math.cos(angle)])
        cameras[index] = look_at(eye, np.zeros(3), focal_px=500, width=640, height=480)
    return cameras


def estimate(cameras: dict[int, Camera], axle: np.ndarray) -> PoseEstimate:
    up = np.array([0.0, 1.0, 0.0])
    tyre = ObjectEstimate(np.zeros(3), axle, up, 0.35, 0.1)
    return PoseEstimate("sfm", "orbit", cameras, tyre)


def test_errors_of_poses_are_the_ones_that_were_put_in() -> None:
    true = orbit(20)
    found = {i: replace(c, fx=510.0, fy=510.0) for i, c in true.items() if i % 4}
    angle = math.radians(2.0)
    turned = np.array(
        [[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]]
    )
    found[1] = replace(found[1], rotation=turned @ found[1].rotation)
    scores = score_poses(estimate(found, np.array([0.0, 0.0, 1.0])), true)
    assert scores.share == 0.75
    assert scores.focal_percent == pytest.approx(2.0)
    assert scores.rotation_deg < 0.3, "one of fifteen is off by two degrees"
    assert scores.axle_deg < 0.2
    lean = np.array([math.sin(math.radians(3.0)), 0.0, math.cos(math.radians(3.0))])
    leaning = score_poses(estimate(true, lean), true)
    assert leaning.axle_deg == pytest.approx(3.0, abs=0.01)
    assert set(leaning.to_dict()) == {"rotation_deg", "axle_deg", "focal_percent", "share"}


def test_a_mesh_that_is_too_narrow_is_told_by_its_width() -> None:
    box = trimesh.creation.box((0.7, 0.7, 0.2))
    points, normals = sample_surface(box, 20_000, seed=5)
    truth = Truth(SurfaceDistance(box), points, normals, diameter=0.7, width=0.2)
    front = points[:, 2] > 0.09
    narrow = trimesh.creation.box((0.7, 0.7, 0.19))
    scores = score_result(narrow, truth, np.eye(3), front)
    assert scores["width_percent"] == pytest.approx(-5.0, abs=0.3)
    assert scores["seen_side"]["f2"] > 0.99
    spoilt = trimesh.util.concatenate([box, trimesh.creation.box((0.25, 0.25, 0.02))])
    spoilt.vertices[8:, 2] -= 0.2  # a slab behind the side that was seen
    scores = score_result(spoilt, truth, np.eye(3), front)
    assert scores["aligned"]["accuracy"] > 1
    assert scores["seen_side"]["accuracy"] < 0.5
