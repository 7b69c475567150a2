"""The first word: frames that are dark, blurred, cut off, still, or of two films."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs.stages import InspectConfig
from tasks.poses.outline import outline_of_mask
from tasks.verdict.film_measures import (
    STILL,
    Glimpse,
    Movement,
    arc_from_aspects,
    glimpse_of,
    movement_of,
    roundness,
)
from tasks.verdict.first_word import first_word

GOOD = Glimpse(
    brightness=120,
    clipped=0.0,
    sharpness=3.0,
    area=0.2,
    cut_off=False,
    others=0.0,
    roundness=0.98,
    aspect=1.0,
)
WALK = Movement(step=0.3, edge_step=0.3, repeated=0.0, cut_at=4, cut=0.0)


def walk(**changes: Any) -> list[Glimpse | None]:
    """Glimpses of a walk round a tyre half as wide as high."""
    turns = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    aspects = [0.45 + 0.55 * abs(math.cos(t)) for t in turns]
    return [replace(GOOD, aspect=a, **changes) for a in aspects]


def codes(glimpses: list[Glimpse | None], movement: Movement = WALK) -> list[str]:
    return [r.code for r in first_word(glimpses, movement, InspectConfig()).reasons]


def test_a_good_film_has_no_reason() -> None:
    word = first_word(walk(), WALK, InspectConfig())
    assert word.verdict == "pass"
    assert word.evidence["about_arc_deg"] == pytest.approx(337.5, abs=25)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"brightness": 12.0}, "film-dark"),
        ({"clipped": 0.5}, "film-overexposed"),
        ({"sharpness": 0.01}, "film-blurred"),
        ({"cut_off": True}, "film-cut-off"),
        ({"others": 0.8}, "film-others"),
        ({"roundness": 0.8}, "film-not-round"),
    ],
)
def test_each_fault_has_its_reason(changes: dict[str, Any], code: str) -> None:
    assert code in codes(walk(**changes))


def test_a_tyre_that_is_never_whole_fails_and_one_that_is_at_times_does_not() -> None:
    never = first_word(walk(cut_off=True), WALK, InspectConfig())
    assert never.verdict == "fail"
    (reason,) = never.reasons
    assert reason.message == "the tyre, if there is one, is never wholly in the picture"
    half = walk()
    half[:8] = walk(cut_off=True)[:8]
    assert first_word(half, WALK, InspectConfig()).verdict == "review"


def test_nothing_in_the_picture() -> None:
    assert codes([None] * 16)[:1] == ["film-no-tyre"]


def test_a_short_arc_is_seen_in_the_outlines() -> None:
    short = [replace(GOOD, aspect=1.0 - 0.01 * k) for k in range(8)]
    assert codes([*short]) == ["film-short-arc"]


def test_a_tyre_that_spins_before_a_still_camera_shows_one_face() -> None:
    spin: list[Glimpse | None] = [replace(GOOD, aspect=0.9)] * 8
    still = Movement(step=0.2, edge_step=0.01, repeated=0.0, cut_at=4, cut=0.0)
    assert codes(spin, still) == ["film-one-face"]
    assert codes(spin, WALK) == ["film-short-arc"]


def test_exposure_is_no_movement() -> None:
    brighter = [np.asarray(textures(1, 0)[0] * g, np.uint8) for g in np.linspace(0.5, 0.6, 12)]
    assert movement_of(brighter).step < STILL
    dark = movement_of([np.asarray(t // 10, np.uint8) for t in textures(24, 0)])
    assert dark.repeated < 0.2


def test_blank_pictures_tell_neither_rest_nor_blur() -> None:
    white = movement_of([np.full((60, 160, 3), 255, np.uint8)] * 12)
    assert math.isnan(white.step)
    assert codes(walk(clipped=1.0, sharpness=0.01), white) == ["film-overexposed"]
    word = first_word(walk(clipped=1.0), white, InspectConfig())
    assert "change" not in word.evidence


def textures(count: int, seed: int, step: int = 6) -> list[NDArray[np.uint8]]:
    """A camera that pans over a coloured wall."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 60, 3)).astype(np.uint8)
    wall = cv2.resize(small, (1200, 60), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wall[:, k * step : k * step + 160]) for k in range(count)]


def test_movement_stillness_and_cuts() -> None:
    pan = movement_of(textures(24, 0))
    assert pan.step > 0.1
    assert pan.edge_step > 0.1
    assert pan.cut == 0.0
    still = movement_of(textures(24, 0, step=0))
    assert still.repeated == 1.0
    assert codes(walk(), still) == ["film-no-motion"]
    first, second = textures(12, 0), [t // 3 for t in textures(12, 1)]
    joined = movement_of([*first, *second])
    assert joined.cut_at == 12
    assert codes(walk(), joined) == ["film-cut"]


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
