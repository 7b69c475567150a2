"""Names of motions, from the paths of cameras that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from configs.presets import Motion
from configs.stages import PoseConfig
from tasks.geometry.camera import Camera, look_at
from tasks.poses.motion import (
    arc_deg,
    detect_changes,
    name_motion,
    path_jump_deg,
    turn_jump_deg,
    turning_axis,
    world_up,
)
from tasks.poses.outline import Outline, outline_of_mask

AXLE = np.array([0.0, 0.0, 1.0])
UP = np.array([0.0, 1.0, 0.0])


def camera(azimuth_deg: float, elevation_deg: float, distance: float = 1.5) -> Camera:
    """A camera that looks at the origin, from an azimuth about +y counted from +z."""
    a, e = np.radians([azimuth_deg, elevation_deg])
    eye = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    return look_at(distance * eye, np.zeros(3), focal_px=500, width=640, height=480)


def around() -> list[Camera]:
    return [camera(a, 20.0) for a in range(0, 360, 15)]


def wandering() -> list[Camera]:
    return [
        camera(4.0 * k, 20.0 + 18.0 * np.sin(k / 3.0), 1.5 + 0.4 * np.cos(k / 2.0))
        for k in range(24)
    ]


def turned(fixed: Camera, axis: NDArray[np.float64]) -> list[Camera]:
    """What the tyre sees of a fixed camera while it turns about an axis."""
    turns = [Rotation.from_rotvec(np.radians(a) * axis).as_matrix() for a in range(0, 300, 15)]
    return [
        Camera(
            fixed.fx,
            fixed.fy,
            fixed.cx,
            fixed.cy,
            fixed.width,
            fixed.height,
            fixed.rotation @ turn,
            fixed.translation,
        )
        for turn in turns
    ]


@pytest.mark.parametrize(
    ("cameras", "among", "name"),
    [
        (around(), ("orbit", "free"), "orbit"),
        (wandering(), ("orbit", "free"), "free"),
        (turned(camera(30.0, 10.0), UP), ("turntable", "spin"), "turntable"),
        (turned(camera(30.0, 10.0), AXLE), ("turntable", "spin"), "spin"),
        (turned(camera(30.0, 10.0), AXLE), ("orbit", "free"), "free"),  # round a tyre that lies
        (around(), ("turntable", "spin"), "turntable"),
        (wandering(), ("turntable", "spin"), "turntable"),
        (wandering(), ("orbit", "turntable"), "turntable"),
        (around(), ("orbit", "turntable", "free", "spin"), "orbit"),
        (turned(camera(30.0, 10.0), UP), ("spin",), "spin"),
    ],
)
def test_a_path_is_named_among_what_is_possible(
    cameras: list[Camera], among: tuple[Motion, ...], name: Motion
) -> None:
    assert name_motion(cameras, np.zeros(3), AXLE, UP, among=among) == name


@pytest.mark.parametrize("motion", get_args(Motion))
def test_a_motion_that_is_sure_is_named_whatever_the_path(motion: Motion) -> None:
    for cameras in (around(), wandering()):
        assert name_motion(cameras, np.zeros(3), AXLE, UP, among=(motion,)) == motion


def frames_of(
    folder: Path, shifts_px: NDArray[np.float64], *, noise: float = 2.0
) -> tuple[dict[int, Path], dict[int, Outline]]:
    """A disc that turns before a textured wall, the whole image moved in each frame."""
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(40, 215, (60, 80), np.uint8), (800, 600))
    disc = np.zeros((240, 320), np.uint8)
    cv2.circle(disc, (160, 120), 60, 255, -1)
    outline = outline_of_mask(disc)
    assert outline is not None
    paths, outlines = {}, {}
    for k, (x, y) in enumerate(shifts_px):
        view = np.array([[1.0, 0.0, x - 240.0], [0.0, 1.0, y - 180.0]])
        image = cv2.warpAffine(wall, view, (320, 240)).astype(np.float64)
        image[disc > 0] = 90.0 + 60.0 * (k % 2)
        image += rng.normal(0, noise, image.shape)
        paths[k] = folder / f"{k}.png"
        cv2.imwrite(str(paths[k]), np.clip(image, 0, 255).astype(np.uint8))
        outlines[k] = outline
    return paths, outlines


@pytest.mark.parametrize(
    ("reach_px", "background"), [(0.0, "still"), (14.0, "shaking"), (90.0, "moving")]
)
def test_a_hand_is_told_from_a_path(tmp_path: Path, reach_px: float, background: str) -> None:
    time = np.arange(16)[:, None]
    shifts = reach_px * np.sin(time / np.array([2.5, 4.0]))
    assert detect_changes(*frames_of(tmp_path, shifts)).background == background


def test_axis_and_arc_of_a_turn() -> None:
    axis, share = turning_axis(turned(camera(30.0, 10.0), UP))
    assert abs(axis @ UP) == pytest.approx(1.0)
    assert share == pytest.approx(1.0)
    assert arc_deg([camera(0.0, 0.0), camera(40.0, 0.0)], np.zeros(3)) == pytest.approx(40.0)


def test_a_leap_is_told_from_a_walk_that_is_uneven_or_has_gaps() -> None:
    """The second half of an orbit of 10° a frame lies on the wrong side of the tyre."""
    here = np.zeros(3)
    walk = {k: camera(10.0 * k, 15.0) for k in range(36)}
    assert path_jump_deg(walk, here) == 0.0
    uneven = {k: camera(5.0 * k + 15.0 * np.sin(k / 3), 15.0) for k in range(36)}
    assert path_jump_deg(uneven, here) == 0.0
    gaps = {k: c for k, c in walk.items() if k not in range(8, 20)}
    assert path_jump_deg(gaps, here) == 0.0
    glued = {k: c if k < 18 else camera(10.0 * k + 180.0, 15.0) for k, c in walk.items()}
    assert path_jump_deg(glued, here) == pytest.approx(170.0 - 3 * 10.0, abs=25.0)
    assert path_jump_deg({0: walk[0], 1: walk[18]}, here) == 0.0


def past_the_face(step_deg: float, roll_deg: float = 0.0) -> dict[int, Camera]:
    """A walk from one side of the tyre over its face to the other, the camera rolling a little."""
    walk = {}
    for k in range(24):
        seen = camera(step_deg * (k - 12) + 2.0 * np.sin(k), 12.0)
        roll = Rotation.from_rotvec([0, 0, np.radians(roll_deg) * np.sin(1.7 * k)]).as_matrix()
        walk[k] = replace(seen, rotation=roll @ seen.rotation, translation=roll @ seen.translation)
    return walk


def taken_for_the_next_spoke(walk: dict[int, Camera], angle_deg: float) -> dict[int, Camera]:
    """The cameras from the face on lie as though the tyre had turned on its axle meanwhile."""
    turn = Rotation.from_rotvec(np.radians(angle_deg) * AXLE).as_matrix()
    return {k: c if k < 12 else replace(c, rotation=c.rotation @ turn) for k, c in walk.items()}


@pytest.mark.parametrize("step_deg", [2.0, 7.5, 15.0])
def test_cameras_that_take_one_spoke_for_the_next_turn_at_once(step_deg: float) -> None:
    """They hardly move: seen along the axle, they only turn about it."""
    walk = past_the_face(step_deg)
    assert turn_jump_deg(walk) < 4.0
    assert turn_jump_deg({k: c for k, c in walk.items() if k not in range(5, 9)}) < 4.0
    shaken = past_the_face(step_deg, roll_deg=3.0)
    assert turn_jump_deg(shaken) < PoseConfig().max_turn_jump_deg
    leapt = taken_for_the_next_spoke(walk, 36.0)
    assert path_jump_deg(leapt, np.zeros(3)) < 30.0
    assert turn_jump_deg(leapt) == pytest.approx(36.0 - step_deg, abs=7.0)
    without = {k: c for k, c in leapt.items() if k not in range(10, 14)}
    assert turn_jump_deg(without) > PoseConfig().max_turn_jump_deg or step_deg > 7.5
    assert turn_jump_deg(dict(list(walk.items())[:5])) == 0.0


def test_up_is_that_of_cameras_without_roll() -> None:
    np.testing.assert_allclose(world_up(around()), UP, atol=1e-9)
