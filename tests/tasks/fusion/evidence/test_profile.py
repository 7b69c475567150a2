"""The profile and axle of a torus by its outlines: a circle, wherever the torus lies."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from tasks.fusion.evidence.profile import KNOTS, Profile, fit_profile, rounded_profile
from tasks.fusion.views import View
from tasks.geometry.camera import look_at
from tasks.geometry.ray_caster import RayCaster
from tasks.imaging.masks import signed_pixels

MAJOR, MINOR = 0.25, 0.1
SIZE = 160


def test_a_circle_about_the_core() -> None:
    circle = Profile(MAJOR, np.full(KNOTS, MINOR))
    assert circle.radius == pytest.approx(MAJOR + MINOR, abs=1e-4)
    assert circle.extent == pytest.approx((-MINOR, MINOR), abs=1e-4)
    r, z = np.array([0.25, 0.30, 0.40, 0.25]), np.array([0.0, 0.0, 0.0, 0.12])
    np.testing.assert_allclose(circle.signed(r, z), [0.1, 0.05, -0.05, -0.02], atol=1e-9)
    np.testing.assert_allclose(circle.depth(r, z), [0.1, 0.05, -0.05, -0.02], atol=1e-4)


def test_the_first_guess_is_as_large_as_it_should_be() -> None:
    guess = rounded_profile(0.36, 0.13)
    assert guess.radius == pytest.approx(0.36, abs=1e-3)
    assert guess.extent == pytest.approx((-0.13, 0.13), abs=1e-3)


def torus_views(turn: Rotation, shift: np.ndarray, spoiled: int | None = None) -> list[View]:
    """A torus, turned and shifted, from twelve sides; half of one mask may be gone."""
    torus = trimesh.creation.torus(MAJOR, MINOR, major_sections=96, minor_sections=48)
    caster = RayCaster(turn.apply(torus.vertices) + shift, np.asarray(torus.faces))
    views = []
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2)
    for index, angle in enumerate(np.arange(12) * np.pi / 6):
        side = 1.2 * np.cos(angle), 0.5 * np.sin(2 * angle), 1.2 * np.sin(angle)
        camera = look_at(np.array(side), np.zeros(3), focal_px=200.0, width=SIZE, height=SIZE)
        rays = camera.rays(pixels)
        origins = np.broadcast_to(camera.centre, rays.shape)
        mask = np.isfinite(caster.distances(origins, rays)).reshape(SIZE, SIZE)
        if index == spoiled:
            mask[: SIZE // 2] = False
        views.append(View(index, camera, mask, signed_pixels(mask)))
    return views


def test_profile_axle_and_centre_are_found_together() -> None:
    """A pixel covers 6 mm; the axle is 1.4 degrees off at first, the centre 9 mm, the radius 20."""
    turn, shift = Rotation.from_rotvec([0.02, -0.015, 0.0]), np.array([0.006, -0.004, 0.005])
    fit = fit_profile(torus_views(turn, shift), MAJOR + MINOR + 0.02, 1.2 * MINOR)
    axle = np.degrees(np.arccos(fit.rotation[:, 2] @ turn.as_matrix()[:, 2]))
    assert axle < 0.2
    off = turn.inv().apply(fit.shift - shift)
    assert np.abs(off[:2]).max() < 0.001
    assert abs(off[2]) < 0.004, "half a pixel: few outlines touch the far side of both faces"
    assert fit.profile.radius == pytest.approx(MAJOR + MINOR, abs=0.002)
    low, high = fit.profile.extent
    assert high - low == pytest.approx(2 * MINOR, abs=0.006)
    assert fit.residual_px < 0.5
    assert fit.outliers == ()
    outside, inside = fit.touched(np.array([0.35, 0.15]), np.array([0.0, 0.0]))
    assert outside
    assert not inside, "no outline shows the side that looks to the axle"


def test_a_mask_that_lacks_half_the_tyre_is_told() -> None:
    views = torus_views(Rotation.identity(), np.zeros(3), spoiled=4)
    fit = fit_profile(views, MAJOR + MINOR, MINOR)
    assert fit.outliers == (4,)
    assert fit.profile.radius == pytest.approx(MAJOR + MINOR, abs=0.003)


def test_without_outlines_the_first_guess_stays() -> None:
    empty = np.zeros((SIZE, SIZE), np.bool_)
    camera = look_at(np.array([0, 0, 1.2]), np.zeros(3), focal_px=200.0, width=SIZE, height=SIZE)
    fit = fit_profile([View(0, camera, empty, signed_pixels(empty))], 0.36, 0.13)
    assert fit.profile.radius == pytest.approx(0.36, abs=1e-3)
    assert np.isinf(fit.residual_px)
    assert not fit.touched(np.array([0.36]), np.array([0.0])).any()
