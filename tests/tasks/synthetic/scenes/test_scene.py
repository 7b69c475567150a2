"""Tyres in places: composition, shadows, imported wheels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from configs.presets import Motion
from tasks.geometry.camera import Camera, look_at
from tasks.geometry.similarity import Similarity
from tasks.synthetic.scenes.background import Background, Chart
from tasks.synthetic.scenes.environments import Support, build_environment
from tasks.synthetic.scenes.lighting import Light, Look, to_srgb
from tasks.synthetic.scenes.motion import MOTIONS, plan_shot
from tasks.synthetic.scenes.raycast import RenderableCaster
from tasks.synthetic.scenes.render import render_view
from tasks.synthetic.scenes.scene import Moment, Scene, camera_in_tyre_frame
from tasks.synthetic.tyres.imported_wheels import from_trimesh

LOOK = Look((Light((0.6, 0.8, 0.0), (1.0, 1.0, 1.0), 400.0),), sky=(0.2,) * 3, ground=(0.1,) * 3)
ABOVE = Similarity(1.0, np.eye(3), np.array([0.0, 0.3, 0.0]))


@pytest.fixture(scope="module")
def ball() -> RenderableCaster:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.3)
    mesh.visual.face_colors = [10, 10, 10, 255]
    return RenderableCaster(from_trimesh(mesh, diameter=0.6))


@pytest.fixture(scope="module")
def grey_floor() -> Background:
    floor = Chart(np.array([-4.0, 0, -4]), np.array([8.0, 0, 0]), np.array([0, 0, 8.0]), 0)
    grey = np.full((64, 64, 3), 150, dtype=np.uint8)
    return Background([floor], [grey], LOOK, seed=0, outdoors=False)


def camera_from(x: float, y: float, z: float) -> Camera:
    return look_at(np.array([x, y, z]), np.array([0, 0.2, 0]), focal_px=90.0, width=96, height=72)


def frame_of(ball: RenderableCaster, camera: Camera, background: Background) -> NDArray[np.uint8]:
    return to_srgb(Scene(ball, background).light([Moment(camera, ABOVE)] * 4), LOOK)


def test_the_shadow_falls_away_from_the_light(
    ball: RenderableCaster, grey_floor: Background
) -> None:
    camera = camera_from(0.0, 2.0, 1.5)
    frame = frame_of(ball, camera, grey_floor)
    # The light comes from +x at 53 degrees: the ball's shadow is centred 0.3 / tan(53) from it.
    spots = np.array([[-0.45, 0.0, 0.0], [0.45, 0.0, 0.0], [-1.2, 0.0, 0.0]])
    column, row = camera.project(spots)[:, :2].astype(int).T
    shadow, lit, far = frame[row, column].mean(axis=1)
    assert shadow < 0.7 * lit
    assert far == pytest.approx(lit, abs=8)


def test_the_ball_covers_its_silhouette(ball: RenderableCaster, grey_floor: Background) -> None:
    camera = camera_from(0.4, 0.8, 1.8)
    light = Scene(ball, grey_floor).light([Moment(camera, ABOVE)] * 4)
    seen = camera_in_tyre_frame(Moment(camera, ABOVE))
    alpha = render_view(ball, seen, LOOK, supersample=2).rgba[..., 3]
    lit_floor = light.mean(axis=2) > 0.2
    assert lit_floor[alpha == 255].mean() < 0.02
    assert lit_floor[40:][alpha[40:] == 0].mean() > 0.7
    assert seen.centre == pytest.approx(camera.centre - ABOVE.translation)


def test_frames_are_the_same_when_made_again(
    ball: RenderableCaster, grey_floor: Background
) -> None:
    camera = camera_from(0.4, 0.8, 1.8)
    first, again = (frame_of(ball, camera, grey_floor) for _ in range(2))
    assert np.array_equal(first, again)


def test_a_box_hides_what_is_behind_it() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.3)
    mesh.visual.face_colors = [255, 255, 255, 255]
    white = RenderableCaster(from_trimesh(mesh, diameter=0.6))
    camera = camera_from(0.0, 0.3, 2.0)
    environment = build_environment(
        "studio",
        replace(LOOK, sky=(0.5,) * 3),
        seed=1,
        clear_radius=2.0,
        support=Support("bars", 0.3, 0.3, 1.0),
    )
    lying = Similarity(1.0, np.eye(3), np.array([0.0, 0.2, 0.0]))
    scene = Scene(white, environment)
    hidden = scene.light([Moment(camera, lying)])
    bar_side = camera.project(np.array([[0.185, 0.2, 0.5]]))[0, :2].astype(int)
    alone = render_view(white, camera_in_tyre_frame(Moment(camera, lying)), LOOK)
    assert alone.rgba[bar_side[1], bar_side[0], 3] > 0  # the ball would be seen there
    assert hidden[bar_side[1], bar_side[0]].mean() < 0.3 * hidden[36, 48].mean()


@pytest.mark.parametrize("motion", ["orbit", "turntable", "spin"])
def test_the_whole_tyre_stays_in_view(motion: Motion) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = 0.36 * np.stack([np.cos(angle), np.sin(angle), np.zeros(60)], axis=1)
    half_width = np.array([0.0, 0.0, 0.15])
    outline = np.concatenate([ring + half_width, ring - half_width])
    for seed in range(12):
        shot = plan_shot(
            motion,
            np.random.default_rng(seed),
            diameter=0.72,
            width=0.3,
            size=(640, 480),
            num_frames=30,
        )
        for time in np.linspace(0, 1, 15):
            moment = shot.moment_at(float(time))
            u, v, z = camera_in_tyre_frame(moment).project(outline).T
            assert z.min() > 0
            assert u.min() > 0
            assert u.max() < 640
            assert v.min() > 0
            assert v.max() < 480
            lowest = (outline @ moment.pose.rotation.T + moment.pose.translation)[:, 1].min()
            assert lowest == pytest.approx(shot.support.height, abs=2e-3)


@pytest.mark.parametrize("motion", MOTIONS)
def test_every_motion_has_a_plan(motion: Motion) -> None:
    rng = np.random.default_rng(0)
    shot = plan_shot(motion, rng, diameter=0.7, width=0.2, size=(640, 480), num_frames=8)
    first, last = (camera_in_tyre_frame(shot.moment_at(time)) for time in (0.0, 1.0))
    assert not np.allclose(first.centre, last.centre, atol=0.01)


@pytest.mark.parametrize("axle", [0, 1, 2])
def test_an_imported_wheel_enters_the_tyre_frame(axle: int) -> None:
    mesh = trimesh.creation.annulus(0.5, 1.0, height=0.6, sections=48)
    mesh.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], np.eye(3)[axle]))
    mesh.apply_translation([3.0, -2.0, 1.0])
    mesh.visual.face_colors = [255, 0, 0, 255]
    wheel = from_trimesh(trimesh.Scene([mesh]), diameter=0.7)
    assert wheel.width == pytest.approx(0.21, abs=1e-3)
    assert np.ptp(wheel.vertices, axis=0) == pytest.approx([0.7, 0.7, 0.21], abs=1e-3)
    assert np.abs(wheel.vertices.min(axis=0) + wheel.vertices.max(axis=0)).max() < 1e-6
    solid = trimesh.Trimesh(wheel.vertices, wheel.faces)
    expected = np.pi * (0.35**2 - 0.175**2) * 0.21
    assert solid.volume == pytest.approx(expected, rel=0.01)  # wound outwards: no mirror image
    middle = wheel.vertices[wheel.faces[:5]].mean(axis=1)
    paint = wheel.material(np.arange(5, dtype=np.int32), middle)
    assert paint.albedo == pytest.approx(np.tile([1.0, 0.0, 0.0], (5, 1)), abs=1e-5)
