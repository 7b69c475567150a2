"""First guesses of a spin: one of them knows the axle."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.poses.face_circles import Circles
from tasks.poses.spin_film import SpinFilm
from tasks.poses.spin_guess import first_guesses, guess_about
from tests.tasks.poses.test_spin import HALF_WIDTH, SIZES, cameras_of, matches_of, outlines_of


def film_of(*, matched: bool) -> tuple[SpinFilm, np.ndarray]:
    """A tyre that turns before a camera at rest, and its axle as that camera sees it."""
    cameras = cameras_of(np.arange(12) * 15.0, SIZES["landscape"], 0.0)
    matches = matches_of(cameras) if matched else []
    times = {i: float(i) for i in cameras}
    film = SpinFilm.of(outlines_of(cameras), times, matches, None, shaking=False)
    return film, cameras[0].rotation[:, 2]


@pytest.mark.parametrize("matched", [True, False], ids=["by the plane", "by the outline"])
def test_of_two_sides_one_is_that_of_the_axle(matched: bool) -> None:
    film, axle = film_of(matched=matched)
    guesses = first_guesses(film, 60.0)
    off = [np.degrees(np.arccos(min(1.0, abs(float(g.solid.axle @ axle))))) for g in guesses]
    assert len(off) == 2
    assert min(off) < 6.0
    assert max(off) > 30.0, "seen from afar, the other side looks alike"
    for guess in guesses:
        assert guess.solid.centre[2] == pytest.approx(1.0)
        assert guess.camera(film.outlines[0]).fx == pytest.approx(320 / np.tan(np.radians(30.0)))


def test_about_circles_the_face_lies_where_they_do_and_is_as_large_as_the_outline() -> None:
    film, axle = film_of(matched=False)
    face = np.array([0.05, -0.02, 1.0])
    guess = guess_about(Circles(-axle, face, 0.5), 620.0, np.array([320.0, 240.0]), film)
    solid = guess.solid
    nearer = solid.centre + np.sign(-solid.centre @ solid.axle) * solid.half_width * solid.axle
    assert nearer / nearer[2] == pytest.approx(face)
    shown = 620.0 * solid.radius / nearer[2]
    assert shown == pytest.approx(0.5 * film.size)
    assert solid.radius / solid.half_width > HALF_WIDTH
