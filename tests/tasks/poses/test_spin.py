"""A face with spokes that turns, followed by its points, before a camera at rest and in a hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera, look_at
from tasks.imaging.images import write_image
from tasks.poses import spin, spin_guess
from tasks.poses.observations import Observations
from tasks.poses.outline import Outline, outline_of_mask
from tasks.poses.record import ObjectEstimate
from tasks.poses.sfm import Matches
from tasks.poses.solid import Solid, Views
from tasks.poses.spin import Turning, follow_spin, solid_about
from tasks.poses.spin_film import SpinFilm
from tasks.poses.spin_guess import Guess
from tests.tasks.poses.measure import PoseErrors, pose_errors
from tests.tasks.poses.test_solid import mask_of

FloatArray = NDArray[np.float64]

RADIUS, HALF_WIDTH = 0.36, 0.14
SPOKES = 8
SIZES = {"landscape": (640, 480), "portrait": (480, 640)}


def rings() -> FloatArray:
    """Surface points of a tyre about +z."""
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    found = []
    for u in np.linspace(-1, 1, 21):
        r = RADIUS * (1 - 0.12 * abs(u) ** 4 - 0.03 * u * u)
        found.append(np.stack([r * np.cos(angle), r * np.sin(angle), 0 * angle + u * HALF_WIDTH]))
    return np.concatenate(found, axis=1).T


def cameras_of(turns_deg: FloatArray, size: tuple[int, int], sway: float) -> dict[int, Camera]:
    """What a tyre that turns sees of a camera 35 degrees off its axle."""
    cameras = {}
    for k, turn in enumerate(turns_deg):
        hand = sway * np.sin(0.9 * k * np.array([[0.5, 0.8, 0.6], [0.7, 0.4, 0.9]]))
        eye = 1.7 * np.array([0.54, 0.2, 0.82]) + hand[0]
        camera = look_at(eye, hand[1], focal_px=620, width=size[0], height=size[1])
        turned = Rotation.from_euler("z", turn, degrees=True).as_matrix()
        cameras[3 * k] = Camera(
            camera.fx,
            camera.fy,
            camera.cx,
            camera.cy,
            *size,
            camera.rotation @ turned,
            camera.translation,
        )
    return cameras


def matches_of(cameras: dict[int, Camera], seed: int = 0, *, slow: float = 0.0) -> list[Matches]:
    """Points of the face found again in later frames, every fourth on a wrong spoke.

    A share of them, ``slow``, turns by a sixth too little, as edges of reflections do.
    """
    rng = np.random.default_rng(seed)
    around, radius = rng.uniform(0, 2 * np.pi, 160), rng.uniform(0.1, 0.32, 160)
    points = np.stack(
        [radius * np.cos(around), radius * np.sin(around), rng.uniform(0.1, 0.14, 160)], axis=1
    )
    spoke = Rotation.from_euler("z", 360 / SPOKES, degrees=True)
    seen = {
        i: c.project(points)[:, :2] + rng.normal(0, 0.3, (len(points), 2))
        for i, c in cameras.items()
    }
    order, matches = sorted(cameras), []
    for gap in (1, 2, 3, 4, 6, 8):
        for i, j in zip(order, order[gap:], strict=False):
            found = rng.random(len(points)) < 0.9**gap
            a, b = seen[i][found], seen[j][found].copy()
            wrong = rng.random(len(b)) < 0.25
            b[wrong] = cameras[j].project(spoke.apply(points[found][wrong]))[:, :2]
            drawn = np.flatnonzero(rng.random(len(b)) < slow)
            back = cameras[i].rotation.T @ cameras[j].rotation
            less = Rotation.from_rotvec(-Rotation.from_matrix(back).as_rotvec() / 6.0)
            b[drawn] = cameras[j].project(less.apply(points[found][drawn]))[:, :2]
            matches.append(Matches(i, j, a, b))
    return matches


def photographed(camera: Camera, texture: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A textured face in the plane of the tyre's outer side, and shading that does not turn."""
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1))
    far = (HALF_WIDTH - camera.centre[2]) / rays[:, 2]
    x, y = (camera.centre + far[:, None] * rays)[:, :2].T
    radius = np.hypot(x, y) / RADIUS
    row = np.rint(np.arctan2(y, x) / (2 * np.pi) * 720).astype(int) % 720
    shown = 120.0 + 180.0 * texture[row, np.clip(radius * 89, 0, 89).astype(int)]
    shown[radius > 1.0] = 90.0
    shown += 40.0 * np.sin(u.ravel() / 50.0)
    return np.clip(shown, 0, 255).reshape(u.shape).astype(np.uint8)


def followed(
    turns_deg: FloatArray, *, size: tuple[int, int] = SIZES["landscape"], sway: float = 0.0
) -> tuple[Turning, dict[int, Camera]]:
    cameras = cameras_of(turns_deg, size, sway)
    shape = rings()
    outlines: dict[int, Outline] = {}
    for i, camera in cameras.items():
        outline = outline_of_mask(mask_of(camera, shape))
        assert outline is not None
        outlines[i] = outline
    times = {i: float(i) for i in cameras}
    found = follow_spin(outlines, times, matches_of(cameras), 60.0, shaking=sway > 0)
    assert found is not None
    return found, cameras


def errors_of(found: Turning, cameras: dict[int, Camera]) -> PoseErrors:
    solid = found.solid
    tyre = ObjectEstimate(
        solid.centre, solid.axle, np.array([0.0, 1.0, 0.0]), solid.radius, solid.half_width
    )
    return pose_errors(found.cameras, tyre, cameras, RADIUS, HALF_WIDTH)


@pytest.mark.parametrize(
    ("turns_deg", "size"),
    [
        (np.arange(24) * 15.0, SIZES["landscape"]),
        (np.arange(20) * -6.0, SIZES["portrait"]),
    ],
    ids=["a whole turn", "part of one, portrait"],
)
def test_a_spin_is_followed_past_its_spokes(turns_deg: FloatArray, size: tuple[int, int]) -> None:
    found, cameras = followed(turns_deg, size=size)
    assert set(found.cameras) == set(cameras)
    assert abs(found.sweep_deg) == pytest.approx(abs(turns_deg[-1] - turns_deg[0]), abs=1.0)
    errors = errors_of(found, cameras)
    assert errors.rotation_deg < 0.3
    assert errors.worst_rotation_deg < 1.0
    assert errors.axle_deg < 0.3
    focal = np.median([found.cameras[i].fx / c.fx for i, c in cameras.items()])
    assert focal == pytest.approx(1.0, abs=0.03)


def outlines_of(cameras: dict[int, Camera]) -> dict[int, Outline]:
    found = {i: outline_of_mask(mask_of(camera, rings())) for i, camera in cameras.items()}
    return {i: outline for i, outline in found.items() if outline is not None}


def test_a_spin_before_a_camera_in_a_hand_is_followed() -> None:
    found, cameras = followed(np.arange(24) * 15.0, sway=0.02)
    errors = errors_of(found, cameras)
    assert abs(found.sweep_deg) == pytest.approx(345.0, abs=2.0)
    assert errors.axle_deg < 2.0
    focal = np.median([c.fx for c in found.cameras.values()])
    assert focal == pytest.approx(320.0 / np.tan(np.radians(30.0))), "as was assumed"


def test_pictures_of_the_face_tell_its_turn_where_most_matches_lag(tmp_path: Path) -> None:
    turns_deg = np.cumsum([0.0, *np.tile([6.0, 12.0], 12)])
    cameras = cameras_of(turns_deg, SIZES["landscape"], 0.0)
    texture = gaussian_filter(
        np.random.default_rng(2).normal(size=(720, 90)), (3.0, 2.0), mode=("wrap", "nearest")
    )
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        write_image(paths[i], photographed(camera, texture))
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    outlines, times = dict.fromkeys(cameras, outline), {i: float(i) for i in cameras}
    matches = matches_of(cameras, slow=0.7)
    found = follow_spin(outlines, times, matches, 60.0, frame_paths=paths)
    assert found is not None
    assert abs(found.sweep_deg) == pytest.approx(turns_deg[-1], abs=1.0)
    errors = errors_of(found, cameras)
    assert errors.axle_deg < 1.0
    assert errors.rotation_deg < 1.0
    without = follow_spin(outlines, times, matches, 60.0)
    assert without is None or abs(abs(without.sweep_deg) - turns_deg[-1]) > 5.0


def test_a_face_that_no_feature_follows_is_followed_by_its_patches(tmp_path: Path) -> None:
    turns_deg = np.arange(24) * 12.0
    cameras = cameras_of(turns_deg, SIZES["landscape"], 0.0)
    texture = 0.2 * gaussian_filter(
        np.random.default_rng(2).normal(size=(720, 90)), (3.0, 2.0), mode=("wrap", "nearest")
    )
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        shown = cameras[i + 3] if i == 30 else camera  # a compressed film repeats a frame
        write_image(paths[i], photographed(shown, texture))
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    none = [Matches(i, j, np.zeros((0, 2)), np.zeros((0, 2))) for i, j in pairwise(cameras)]
    outlines, times = dict.fromkeys(cameras, outline), {i: float(i) for i in cameras}
    found = follow_spin(outlines, times, none, 60.0, frame_paths=paths)
    assert found is not None
    assert set(cameras) - set(found.cameras) == {30}
    assert abs(found.sweep_deg) == pytest.approx(turns_deg[-1], abs=0.5)
    errors = errors_of(found, cameras)
    assert errors.rotation_deg < 0.3
    assert errors.worst_rotation_deg < 1.0
    assert errors.axle_deg < 0.5


def test_matches_that_were_followed_wrongly_give_way_to_patches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their axle has not the film's outlines; the pictures' patches have the right one."""
    cameras = cameras_of(np.arange(24) * 12.0, SIZES["landscape"], 0.0)
    texture = gaussian_filter(
        np.random.default_rng(2).normal(size=(720, 90)), (3.0, 2.0), mode=("wrap", "nearest")
    )
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        write_image(paths[i], photographed(camera, texture))
    outlines, times = outlines_of(cameras), {i: float(i) for i in cameras}
    follow = spin._followed

    def misled(guess: Guess, film: SpinFilm, **options: Any) -> spin._Fit | None:
        fit = follow(guess, film, **options)
        return None if fit is None else tilted(fit, 50.0)

    monkeypatch.setattr(spin, "_followed", misled)
    found = follow_spin(outlines, times, matches_of(cameras), 60.0, frame_paths=paths)
    assert found is not None
    assert found.agreement > 0.8
    assert errors_of(found, cameras).rotation_deg < 0.3


def test_where_neither_matches_nor_the_outline_tell_the_plane_circles_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = cameras_of(np.arange(24) * 15.0, SIZES["landscape"], 0.0)
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        write_image(paths[i], photographed(camera, face_with_rim()))
    view_from = spin_guess.view_from

    def misled(side: float, typical: Outline, fov_deg: float) -> tuple[Camera, Solid]:
        camera, solid = view_from(side, typical, fov_deg)
        tilt = Rotation.from_euler("x", 40, degrees=True)
        return camera, replace(solid, axle=tilt.apply(solid.axle))

    monkeypatch.setattr(spin_guess, "find_turning_plane", lambda *_: None)
    monkeypatch.setattr(spin_guess, "view_from", misled)
    outlines, times = outlines_of(cameras), {i: float(i) for i in cameras}
    found = follow_spin(outlines, times, matches_of(cameras), 60.0, frame_paths=paths)
    assert found is not None
    assert errors_of(found, cameras).rotation_deg < 0.3


def test_patches_that_turn_otherwise_than_the_pictures_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = cameras_of(np.arange(12) * 12.0, SIZES["landscape"], 0.0)
    others = list(cameras_of(np.arange(12) * 9.0, SIZES["landscape"], 0.0).values())
    texture = gaussian_filter(
        np.random.default_rng(2).normal(size=(720, 90)), (3.0, 2.0), mode=("wrap", "nearest")
    )
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        write_image(paths[i], photographed(camera, texture))
    around, out = np.random.default_rng(0).uniform(0, 2 * np.pi, 60), np.linspace(0.1, 0.32, 60)
    points = np.stack([out * np.cos(around), out * np.sin(around), np.full(60, HALF_WIDTH)], 1)
    pixel = np.concatenate([c.project(points)[:, :2] for c in others])
    lagging = Observations(np.repeat(np.arange(12), 60), np.tile(np.arange(60), 12), pixel)
    monkeypatch.setattr("tasks.poses.spin.follow_patches", lambda *_: lagging)
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    outlines, times = dict.fromkeys(cameras, outline), {i: float(i) for i in cameras}
    none = [Matches(i, j, np.zeros((0, 2)), np.zeros((0, 2))) for i, j in pairwise(cameras)]
    assert follow_spin(outlines, times, none, 60.0, frame_paths=paths) is None


def test_noise_is_no_face_that_turns(tmp_path: Path) -> None:
    cameras = cameras_of(np.arange(12) * 12.0, SIZES["landscape"], 0.0)
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i in cameras:
        noise = np.random.default_rng(i).normal(size=(720, 90))
        write_image(paths[i], photographed(cameras[0], gaussian_filter(noise, (3.0, 2.0))))
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    none = [Matches(i, j, np.zeros((0, 2)), np.zeros((0, 2))) for i, j in pairwise(cameras)]
    outlines, times = dict.fromkeys(cameras, outline), {i: float(i) for i in cameras}
    assert follow_spin(outlines, times, none, 60.0, frame_paths=paths) is None


def test_a_face_without_matches_is_not_followed() -> None:
    cameras = cameras_of(np.arange(6) * 10.0, SIZES["landscape"], 0.0)
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    none = [Matches(i, j, np.zeros((0, 2)), np.zeros((0, 2))) for i, j in pairwise(cameras)]
    assert (
        follow_spin(dict.fromkeys(cameras, outline), dict.fromkeys(cameras, 0.0), none, 60) is None
    )


def test_the_solid_about_a_known_axle_is_as_large_as_its_outline() -> None:
    cameras = cameras_of(np.arange(4) * 30.0, SIZES["landscape"], 0.0)
    outline = outline_of_mask(mask_of(cameras[0], rings()))
    assert outline is not None
    views = Views(list(cameras.values()), [outline] * len(cameras))
    face = np.array([0.1, 0.05, HALF_WIDTH])
    solid: Solid = solid_about(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.9]), face, views)
    assert solid.radius == pytest.approx(RADIUS, rel=0.01)
    assert solid.half_width == pytest.approx(HALF_WIDTH, rel=0.07)
    assert solid.centre == pytest.approx([0.0, 0.0, HALF_WIDTH - solid.half_width], abs=1e-9)


def face_with_rim() -> FloatArray:
    """``(720, 90)`` a rim's edges and a bead, of a face with spokes' worth of texture."""
    texture = 0.2 * gaussian_filter(
        np.random.default_rng(4).normal(size=(720, 90)), (3.0, 2.0), mode=("wrap", "nearest")
    )
    out = np.arange(90) / 89
    return texture + np.select([out < 0.5, out < 0.55, out < 0.8], [-0.2, 0.4, 0.0], 0.15)


def tilted(fit: spin._Fit, degrees: float) -> spin._Fit:
    """A fit whose axle is off."""
    across = np.cross(fit.model.axis, [0.0, 0.0, 1.0])
    turn = Rotation.from_rotvec(np.radians(degrees) * across / np.linalg.norm(across))
    return replace(fit, model=replace(fit.model, axis=turn.apply(fit.model.axis)))


@pytest.mark.parametrize("found_again", [True, False])
def test_an_axle_that_the_average_contradicts_is_held_to_its_circles_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_again: bool
) -> None:
    cameras = cameras_of(np.arange(24) * 15.0, SIZES["landscape"], 0.0)
    texture = face_with_rim()
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        write_image(paths[i], photographed(camera, texture))
    follow = spin._followed

    def misled(guess: Guess, film: SpinFilm, *, hold_axle: bool = False) -> spin._Fit | None:
        if hold_axle:
            return follow(guess, film, hold_axle=True) if found_again else None
        fit = follow(guess, film)
        return None if fit is None else tilted(fit, 10.0)

    monkeypatch.setattr(spin, "_followed", misled)
    outlines, times = outlines_of(cameras), {i: float(i) for i in cameras}
    found = follow_spin(outlines, times, matches_of(cameras), 60.0, frame_paths=paths)
    assert found is not None
    assert found.axle_apart_deg == pytest.approx(10.0, abs=1.5)
    if found_again:
        errors = errors_of(found, cameras)
        assert errors.rotation_deg < 1.5
        assert errors.worst_rotation_deg < 3.0


def test_where_points_and_circles_agree_nothing_is_held(tmp_path: Path) -> None:
    cameras = cameras_of(np.arange(24) * 15.0, SIZES["landscape"], 0.0)
    texture = np.tile(np.where(np.arange(90) < 45, -0.2, 0.2), (720, 1))
    paths = {i: tmp_path / f"{i}.png" for i in cameras}
    for i, camera in cameras.items():
        write_image(paths[i], photographed(camera, texture))
    outlines, times = outlines_of(cameras), {i: float(i) for i in cameras}
    found = follow_spin(outlines, times, matches_of(cameras), 60.0, frame_paths=paths)
    assert found is not None
    assert found.axle_apart_deg < 1.0
    assert errors_of(found, cameras).rotation_deg < 0.3


def test_outlines_tell_on_which_side_the_axle_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    followed_from = spin._followed
    fits: list[spin._Fit] = []

    def misled(*arguments: Any, **options: Any) -> spin._Fit | None:
        """From the first guess an axle on another side, with thrice as many observations."""
        fit = followed_from(*arguments, **options)
        if fit is None or fits:
            fits.extend(() if fit is None else (fit,))
            return fit
        fits.append(fit)
        axis = Rotation.from_euler("y", 80, degrees=True).apply(fit.model.axis)
        seen = Observations(*(np.concatenate([v, v, v]) for v in vars(fit.seen).values()))
        return spin._Fit(replace(fit.model, axis=axis), seen)

    monkeypatch.setattr(spin, "_followed", misled)
    found, cameras = followed(np.arange(24) * 15.0)
    assert len(fits) > 1
    axles = found.cameras[0].rotation @ found.solid.axle, cameras[0].rotation[:, 2]
    assert abs(axles[0] @ axles[1]) > np.cos(np.radians(1.0))
