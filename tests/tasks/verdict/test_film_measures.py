"""What frames show: outlines, light, movement and the arc, of pictures that are drawn."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.poses.outline import outline_of_mask
from tasks.verdict.film_measures import STILL, arc_from_aspects, glimpse_of, movement_of, roundness


def textures(count: int, seed: int, step: int = 6) -> list[NDArray[np.uint8]]:
    """A camera that pans over a coloured wall."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 60, 3)).astype(np.uint8)
    wall = cv2.resize(small, (1200, 60), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wall[:, k * step : k * step + 160]) for k in range(count)]


def test_an_ellipse_is_round_and_a_box_is_not() -> None:
    image = np.zeros((240, 320), np.uint8)
    cv2.ellipse(image, (160, 120), (90, 50), 30, 0, 360, 255, -1)
    outline = outline_of_mask(image)
    assert outline is not None
    assert roundness(outline) > 0.97
    image[:] = 0
    image[60:180, 80:220] = 255
    outline = outline_of_mask(image)
    assert outline is not None
    assert roundness(outline) < 0.9


def test_a_glimpse_of_a_frame() -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    alpha = np.zeros((240, 320), np.uint8)
    cv2.circle(image, (160, 120), 70, (40, 40, 40), -1)
    cv2.circle(alpha, (160, 120), 70, 255, -1)
    cv2.circle(alpha, (290, 210), 20, 255, -1)
    found = glimpse_of(image, alpha)
    assert found is not None
    assert found.brightness == pytest.approx(40, abs=2)
    assert found.others == pytest.approx((20 / 70) ** 2, rel=0.05)
    assert found.aspect > 0.97
    assert not found.cut_off
    assert glimpse_of(image, np.zeros_like(alpha)) is None


def test_the_arc_of_a_standing_camera_is_none() -> None:
    assert arc_from_aspects([0.8] * 10) == 0.0
    assert arc_from_aspects([0.8]) == 0.0


@pytest.mark.parametrize("warmer", [(-4, 0, 4), (5, 5, 5), (0, 3, -3)])
def test_a_grey_wall_whose_colour_drifts_at_once_is_no_cut(warmer: tuple[int, int, int]) -> None:
    """White balance and exposure drift, and a compressed film shows it from one frame to the next.

    The hue of grey is any, and a wall of one colour may lie on the border of two bins.
    """
    wall = np.full((54, 96, 3), 126, np.int64) + np.arange(96)[None, :, None] // 32
    frames = [np.asarray(wall + (np.array(warmer) if k > 5 else 0), np.uint8) for k in range(12)]
    assert movement_of(frames).cut == 0.0


@pytest.mark.parametrize("at", [(70, 120), (160, 71)])
def test_a_tyre_at_the_edge_is_cut_off(at: tuple[int, int]) -> None:
    image, alpha = np.full((240, 320, 3), 90, np.uint8), np.zeros((240, 320), np.uint8)
    cv2.circle(alpha, at, 71, 255, -1)
    found = glimpse_of(image, alpha)
    assert found is not None
    assert found.cut_off
    assert found.others == 0


@pytest.mark.parametrize("width", [0.3, 0.5, 0.8])
def test_the_aspect_is_that_of_the_outline(width: float) -> None:
    alpha = np.zeros((400, 400), np.uint8)
    cv2.ellipse(alpha, (200, 200), (150, round(150 * width)), 25, 0, 360, 255, -1)
    found = glimpse_of(np.full((400, 400, 3), 90, np.uint8), alpha)
    assert found is not None
    assert found.aspect == pytest.approx(width, abs=0.02)
    assert found.area == pytest.approx(math.pi * 150**2 * width / 400**2, rel=0.02)


def test_a_pan_moves_everywhere_and_a_tripod_nowhere() -> None:
    pan = movement_of(textures(24, 0))
    assert pan.step > 0.1
    assert pan.edge_step > 0.1
    assert (pan.cut, pan.repeated) == (0.0, 0.0)
    still = movement_of(textures(24, 0, step=0))
    assert (still.step, still.repeated) == (0.0, 1.0)


def test_what_moves_in_the_middle_alone_is_not_at_the_edge() -> None:
    wall = textures(1, 0)[0]
    frames = []
    for k in range(12):
        frame = wall.copy()
        cv2.circle(frame, (80 + 2 * k, 35), 12, (255, 255, 255), -1)
        frames.append(frame)
    found = movement_of(frames)
    assert found.step > STILL > found.edge_step


def test_exposure_is_no_movement_and_darkness_no_rest() -> None:
    brighter = [np.asarray(textures(1, 0)[0] * g, np.uint8) for g in np.linspace(0.5, 0.6, 12)]
    assert movement_of(brighter).step < STILL
    dark = movement_of([np.asarray(t // 10, np.uint8) for t in textures(24, 0)])
    assert dark.repeated < 0.2


def test_blank_frames_say_nothing_and_are_no_part_of_what_others_say() -> None:
    blank = np.full((60, 160, 3), 255, np.uint8)
    assert all(
        math.isnan(v) for v in vars(movement_of([blank] * 4)).values() if v != v or v is None
    )
    assert math.isnan(movement_of([blank] * 4).step)
    mixed = movement_of([blank, blank, *textures(12, 0)])
    assert mixed.step == pytest.approx(movement_of(textures(12, 0)).step, rel=0.1)


@pytest.mark.parametrize("at", [5, 12, 20])
def test_a_cut_is_found_where_two_films_meet(at: int) -> None:
    first, second = textures(at, 0), [t // 3 for t in textures(24 - at, 1)]
    found = movement_of([*first, *second])
    assert found.cut_at == at
    assert found.cut > 2.0


@pytest.mark.parametrize("arc", [60.0, 150.0, 330.0])
def test_the_arc_of_a_walk_follows_from_how_the_aspect_changes(arc: float) -> None:
    """Of a tyre half as wide as high, seen along its axle at first."""
    turn = np.radians(np.linspace(0, arc, 200))
    aspects = 0.5 + 0.5 * np.abs(np.cos(turn))
    assert arc_from_aspects(aspects.tolist()) == pytest.approx(arc, abs=12)
    assert arc_from_aspects(np.tile(aspects, 9).tolist()) == 360.0
