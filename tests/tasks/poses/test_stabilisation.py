"""Frames from a hand, brought to where a camera at rest would have seen them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.poses.outline import Outline
from tasks.poses.stabilisation import Steadying
from tests.tasks.poses.test_steady_orbit import disc

FRAMES = [((200, 120), 60), ((210, 110), 66), ((180, 125), 54), ((195, 130), 60)]
PIXELS = np.array([[10.0, 20.0], [200.5, 99.5], [310.0, 230.0]])


@pytest.fixture(scope="module")
def outlines() -> list[Outline]:
    return [disc(centre, radius) for centre, radius in FRAMES]


def circle(k: int) -> NDArray[np.float64]:
    turn = np.linspace(0, 6, 20)
    centre, radius = FRAMES[k]
    return np.array(centre) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def test_circles_of_all_frames_come_to_lie_on_one(outlines: list[Outline]) -> None:
    steady = Steadying.of(outlines, shaking=True)
    for k in range(4):
        moved = steady.pixels(k, circle(k)) - steady.middle
        np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 60.0, atol=0.6)
    np.testing.assert_allclose(steady.middle, [197.5, 122.5], atol=0.6)


def test_steadied_and_shaken_is_where_it_was(outlines: list[Outline]) -> None:
    for shaking in (True, False):
        steady = Steadying.of(outlines, shaking=shaking)
        for k in range(4):
            back = steady.shaken(k, steady.pixels(k, PIXELS))
            np.testing.assert_allclose(back, PIXELS, atol=1e-9)
            if not shaking:
                np.testing.assert_allclose(steady.pixels(k, PIXELS), PIXELS, atol=1e-9)


def test_an_outline_moves_with_its_pixels(outlines: list[Outline]) -> None:
    steady = Steadying.of(outlines, shaking=True)
    for k, outline in enumerate(outlines):
        moved = steady.outline(k, outline)
        np.testing.assert_allclose(moved.hull, steady.pixels(k, outline.hull))
        np.testing.assert_allclose(moved.centre, steady.middle, atol=1e-9)
        assert moved.size == pytest.approx(steady.scale[k] * outline.size)


def test_the_camera_s_own_motion_would_do_the_same(outlines: list[Outline]) -> None:
    """A turn by a small angle moves the picture by the focal length times it."""
    steady, focal = Steadying.of(outlines, shaking=True), 300.0
    shake = steady.shake(focal)
    moved = np.array([centre for centre, _ in FRAMES]) - steady.middle
    np.testing.assert_allclose(shake[:, 1] * focal, moved[:, 0], atol=0.6)
    np.testing.assert_allclose(shake[:, 0] * focal, -moved[:, 1], atol=0.6)
    np.testing.assert_allclose(shake[:, 5], [0.0, -6 / 66, 6 / 54, 0.0], atol=0.02)
    assert not shake[:, 2:5].any()
    assert not Steadying.of(outlines, shaking=False).shake(focal).any()
