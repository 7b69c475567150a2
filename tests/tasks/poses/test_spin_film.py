"""What is known of a film of a spin: frames in their time, and what a camera at rest would see."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.poses.spin_film import SpinFilm
from tests.tasks.poses.test_spin import SIZES, cameras_of, matches_of, outlines_of


def test_frames_are_in_the_order_of_time_and_a_camera_at_rest_is_left_as_it_is() -> None:
    cameras = cameras_of(np.arange(5) * 15.0, SIZES["landscape"], 0.0)
    times = {i: 0.5 * i for i in cameras}
    outlines = dict(reversed(outlines_of(cameras).items()))
    film = SpinFilm.of(outlines, times, matches_of(cameras), None, shaking=False)
    assert list(film.order) == sorted(cameras)
    assert film.position == {index: k for k, index in enumerate(film.order)}
    assert film.phase == pytest.approx(np.linspace(0, 1, 5))
    assert film.size == pytest.approx(film.typical.size, rel=0.01)
    for steady, matches in zip(film.steady_matches, film.matches, strict=True):
        assert steady.a == pytest.approx(matches.a)
        assert steady.b == pytest.approx(matches.b)
