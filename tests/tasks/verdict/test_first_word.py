"""The first word: frames that are dark, blurred, cut off, still, or of two films."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from configs.stages import InspectConfig
from tasks.verdict.film_measures import Glimpse, Movement, movement_of
from tasks.verdict.first_word import first_word
from tests.tasks.verdict.test_film_measures import textures

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


def test_blank_pictures_tell_neither_rest_nor_blur() -> None:
    white = movement_of([np.full((60, 160, 3), 255, np.uint8)] * 12)
    assert math.isnan(white.step)
    assert codes(walk(clipped=1.0, sharpness=0.01), white) == ["film-overexposed"]
    word = first_word(walk(clipped=1.0), white, InspectConfig())
    assert "change" not in word.evidence


def test_stillness_and_cuts() -> None:
    still = movement_of(textures(24, 0, step=0))
    assert codes(walk(), still) == ["film-no-motion"]
    first, second = textures(12, 0), [t // 3 for t in textures(12, 1)]
    joined = movement_of([*first, *second])
    assert codes(walk(), joined) == ["film-cut"]
