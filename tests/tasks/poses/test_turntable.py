"""A tyre that turns on a plate, followed by its points before a camera at rest."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera, look_at
from tasks.poses.fit_solid import fit_solid
from tasks.poses.outline import Outline, outline_of_mask
from tasks.poses.record import ObjectEstimate
from tasks.poses.sfm import Matches
from tasks.poses.solid import Views
from tasks.poses.turntable import follow_turntable
from tests.tasks.poses.measure import pose_errors
from tests.tasks.poses.test_solid import mask_of
from tests.tasks.poses.test_spin import HALF_WIDTH, RADIUS, rings

FloatArray = NDArray[np.float64]

FRAMES = 24
OFF = np.array([0.02, 0.0, -0.015])
"""Where the tyre's centre stands beside the plate's axis, metres."""

UP = {"standing": np.array([0.0, 1.0, 0.0]), "leaning": np.array([0.0, 0.94, 0.342])}
"""The plate's axis in the tyre's frame."""


def cameras_of(up: FloatArray, sweep_deg: float) -> dict[int, Camera]:
    """What a tyre on a plate that turns unevenly sees of a camera 20 degrees above it."""
    upright, _ = Rotation.align_vectors(np.array([[0.0, 1.0, 0.0]]), up[None])
    eye = look_at(np.array([0.1, 0.58, 1.6]), np.zeros(3), focal_px=620, width=640, height=480)
    cameras = {}
    for k in range(FRAMES):
        angle = np.radians(sweep_deg) * k / FRAMES + 0.06 * np.sin(0.7 * k)
        turn = Rotation.from_rotvec(np.array([0.0, angle, 0.0])).as_matrix()
        shift = eye.rotation @ turn @ OFF + eye.translation
        rotation = eye.rotation @ turn @ upright.as_matrix()
        cameras[2 * k] = Camera(620, 620, eye.cx, eye.cy, 640, 480, rotation, shift)
    return cameras


def surface(rng: np.random.Generator, count: int = 450) -> tuple[FloatArray, FloatArray]:
    """Points of tread and faces, and their normals."""
    around, face = rng.uniform(0, 2 * np.pi, count), rng.random(count)
    ring = np.stack([np.cos(around), np.sin(around), 0 * around], axis=1)
    ahead = np.where(face < 0.3, 1.0, -1.0)[:, None] * np.array([0.0, 0.0, 1.0])
    side = RADIUS * rng.uniform(0.3, 0.95, count)[:, None] * ring + HALF_WIDTH * ahead
    tread = RADIUS * ring + rng.uniform(-0.9, 0.9, count)[:, None] * np.array([0, 0, HALF_WIDTH])
    on_side = (face < 0.6)[:, None]
    return np.where(on_side, side, tread), np.where(on_side, ahead, ring)


def matches_of(cameras: dict[int, Camera], wrong: float) -> list[Matches]:
    """Points that both frames see, some of them matched with others, some that stand still."""
    rng = np.random.default_rng(3)
    points, normals = surface(rng)
    seen = {i: c.project(points)[:, :2] + rng.normal(0, 0.4, (len(points), 2))
            for i, c in cameras.items()}  # fmt: skip
    visible = {i: ((c.centre - points) * normals).sum(axis=1) > 0.2 for i, c in cameras.items()}
    order, found = sorted(cameras), []
    still = rng.uniform([200, 150], [440, 330], (30, 2))
    for gap in (1, 2, 3, 4, 6):
        for i, j in zip(order, order[gap:], strict=False):
            both = np.flatnonzero(visible[i] & visible[j] & (rng.random(len(points)) < 0.8))
            to = np.where(rng.random(len(both)) < wrong, rng.permutation(both), both)
            a, b = np.concatenate([seen[i][both], still]), np.concatenate([seen[j][to], still])
            found.append(Matches(i, j, a, b))
    return found


@pytest.mark.parametrize(
    ("lies", "sweep_deg"),
    [("standing", 348.0), pytest.param("leaning", -200.0, marks=pytest.mark.slow)],
)
def test_a_plate_is_followed_whose_axis_is_not_the_axle(lies: str, sweep_deg: float) -> None:
    cameras = cameras_of(UP[lies], sweep_deg)
    outlines: dict[int, Outline] = {}
    for i, camera in cameras.items():
        outline = outline_of_mask(mask_of(camera, rings()))
        assert outline is not None
        outlines[i] = outline
    times = {i: float(i) for i in cameras}
    found = follow_turntable(outlines, times, matches_of(cameras, 0.03), 60.0)
    assert found is not None
    assert set(found.cameras) == set(cameras)
    views = Views([found.cameras[i] for i in cameras], list(outlines.values()))
    solid = fit_solid(views)
    tyre = ObjectEstimate(
        solid.centre, solid.axle, np.array([0.0, 1.0, 0.0]), solid.radius, solid.half_width
    )
    errors = pose_errors(found.cameras, tyre, cameras, RADIUS, HALF_WIDTH)
    assert errors.rotation_deg < 0.2
    assert errors.worst_rotation_deg < 0.5
    assert errors.axle_deg < 0.3
    focal = np.median([found.cameras[i].fx / c.fx for i, c in cameras.items()])
    assert focal == pytest.approx(1.0, abs=0.02)


def test_matches_that_are_all_wrong_turn_about_no_axis() -> None:
    cameras = cameras_of(UP["standing"], 348.0)
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    found = follow_turntable(
        dict.fromkeys(cameras, outline),
        {i: float(i) for i in cameras},
        matches_of(cameras, 1.0),
        60.0,
    )
    assert found is None
