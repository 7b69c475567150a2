"""The plane of a face, from how points of it move between pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import look_at
from tasks.poses.sfm import Matches
from tasks.poses.turning_plane import find_turning_plane

FloatArray = NDArray[np.float64]

EYE = np.array([1.5, 0.9, 3.0])
FOCAL = 1100.0


def matches_of(turns_deg: FloatArray, *, turning: int, resting: int) -> list[Matches]:
    """Points of a face at z = 0.1, points that do not turn, and as many wrong matches."""
    rng = np.random.default_rng(1)
    camera = look_at(EYE, np.zeros(3), focal_px=FOCAL, width=1280, height=720)
    around, radius = rng.uniform(0, 2 * np.pi, turning), rng.uniform(0.08, 0.33, turning)
    face = np.stack([radius * np.cos(around), radius * np.sin(around), 0 * radius + 0.1], axis=1)
    still = rng.uniform(-0.3, 0.3, (resting, 3))
    seen = []
    for turn in turns_deg:
        turned = Rotation.from_euler("z", turn, degrees=True).apply(face)
        pixels = camera.project(np.concatenate([turned, still]))[:, :2]
        wrong = camera.project(rng.uniform(-0.3, 0.3, (resting, 3)))[:, :2]
        seen.append(
            np.concatenate([pixels, wrong]) + rng.normal(0, 0.4, (turning + 2 * resting, 2))
        )
    pairs = [(i, j) for i in range(len(seen)) for j in range(i + 1, min(i + 4, len(seen)))]
    return [Matches(i, j, seen[i], seen[j]) for i, j in pairs]


def size_px() -> float:
    return 0.66 * FOCAL / float(np.linalg.norm(EYE))


def test_the_plane_that_turns_is_found_among_what_does_not() -> None:
    turns = np.cumsum([0.0, 8.0, 11.0, 5.0, 9.0, 12.0, 7.0, 10.0])
    matches = matches_of(turns, turning=90, resting=60)
    plane = find_turning_plane(matches, {k: k for k in range(len(turns))}, size_px())
    assert plane is not None
    camera = look_at(EYE, np.zeros(3), focal_px=FOCAL, width=1280, height=720)
    pivot = np.array([[0.0, 0.0, 0.1]])
    assert plane.pivot == pytest.approx(camera.project(pivot)[0, :2], abs=2.0)
    away = camera.centre - pivot[0]
    slant = math.degrees(math.acos(away[2] / np.linalg.norm(away)))
    assert math.degrees(plane.slant) == pytest.approx(slant, abs=2.0)
    axle = camera.rotation[:2, 2] / np.linalg.norm(camera.rotation[:2, 2])
    assert abs(plane.tilt @ axle) > math.cos(math.radians(3.0))


def test_where_nothing_turns_there_is_none() -> None:
    matches = matches_of(np.zeros(8), turning=90, resting=60)
    assert find_turning_plane(matches, {k: k for k in range(8)}, size_px()) is None


def test_too_few_pairs_tell_nothing() -> None:
    matches = matches_of(np.array([0.0, 9.0]), turning=90, resting=60)
    assert find_turning_plane(matches, {0: 0, 1: 1}, size_px()) is None
