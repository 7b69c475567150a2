"""What is written on a sidewall tells its angle, whatever dirt lies on it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.comparison.align import align_scans
from tasks.comparison.letters import turn_by_letters
from tasks.comparison.polar import COLUMNS, PolarImage, polar_image
from tasks.comparison.scan import Scan
from tests.tasks.comparison.made import WIDTH, scan

_WORDS = (("NOPARO WET", 60), ("155/40 R13", 420), ("NOPARO WET", 780), ("DOT 49983741", 1100))


_THRICE = (("ZEONUPER", 0), ("ZEONUPER", WIDTH // 3), ("ZEONUPER", 2 * WIDTH // 3))
_SERIAL = ("DOT 06", WIDTH // 2)


def _written(
    part: FlatPart, shift: int, dirt: float, seed: int, words: tuple[tuple[str, int], ...] = _WORDS
) -> FlatPart:
    """The sidewall with words, turned by columns, under dirt of its own."""
    height = len(part.section)
    letters = np.full((height, WIDTH), 70, np.uint8)
    for text, at in words:
        cv2.putText(letters, text, (at, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 95, 3, cv2.LINE_AA)
    picture = letters.astype(np.float32)
    rng = np.random.default_rng(seed)
    for size in (4.0, 12.0, 40.0):
        mottle = gaussian_filter(rng.normal(size=picture.shape), size, mode=("nearest", "wrap"))
        picture += dirt * mottle / mottle.std()
    turned = np.roll(picture, shift, axis=1)
    colours = np.repeat(np.clip(turned, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    seen = np.full(turned.shape, Provenance.MEASURED, np.uint8)
    return replace(part, colours=np.ascontiguousarray(colours), provenance=seen)


def _blank(part: FlatPart, dirt: float, seed: int) -> FlatPart:
    made = _written(part, 0, dirt, seed)
    plain = np.full_like(made.colours, 70)
    if dirt:
        rng = np.random.default_rng(seed + 1)
        mottle = gaussian_filter(rng.normal(size=plain.shape[:2]), 8.0, mode=("nearest", "wrap"))
        plain = np.clip(plain + dirt * (mottle / mottle.std())[..., None], 0, 255).astype(np.uint8)
    return replace(made, colours=np.ascontiguousarray(plain))


def _picture(part: FlatPart) -> PolarImage:
    radii = np.arange(part.section[:, 0].max() - 0.004, part.section[:, 0].min() + 0.004, -0.001)
    return polar_image(part, 1.0, radii)


def test_words_that_occur_twice_and_a_number_tell_the_angle_under_dirt() -> None:
    part = scan().parts["outer-sidewall"]
    new, used = _written(part, 0, 0.5, 1), _written(part, 500, 6.0, 2)
    turn = turn_by_letters(_picture(new), _picture(used))
    assert turn is not None
    assert turn.columns == pytest.approx(500 * COLUMNS / WIDTH, abs=3)
    assert turn.correlation > 1.45 * turn.runner_up


def test_what_is_written_once_tells_a_word_from_its_repeats() -> None:
    """All votes are but an eighth more than those for a repeat."""
    part = scan().parts["outer-sidewall"]
    new = _written(part, 0, 0.5, 1, (*_THRICE, _SERIAL))
    used = _written(part, 500, 2.0, 2, (*_THRICE, _SERIAL))
    turn = turn_by_letters(_picture(new), _picture(used))
    assert turn is not None
    assert turn.columns == pytest.approx(500 * COLUMNS / WIDTH, abs=3)
    assert turn.correlation > 1.45 * turn.runner_up


def test_a_word_and_its_repeats_alone_have_no_lead() -> None:
    part = scan().parts["outer-sidewall"]
    new, used = (_written(part, k * 500, 0.5, k, _THRICE) for k in (0, 1))
    turn = turn_by_letters(_picture(new), _picture(used))
    assert turn is not None
    assert turn.correlation < 1.45 * turn.runner_up


def test_dirt_alone_has_no_lead() -> None:
    part = scan().parts["outer-sidewall"]
    turn = turn_by_letters(_picture(_blank(part, 6.0, 1)), _picture(_blank(part, 6.0, 9)))
    assert turn is None or turn.correlation < 1.45 * turn.runner_up or turn.correlation < 4.0


def test_nothing_to_see_is_no_angle() -> None:
    part = scan().parts["outer-sidewall"]
    plain = _picture(_blank(part, 0.0, 1))
    assert turn_by_letters(plain, plain) is None


def test_one_written_face_aligns_a_tyre_whose_other_face_is_dirty() -> None:
    """The pictures as a whole agree nowhere: half of them is dirt."""
    shift, degrees = 500, 500 / WIDTH * 360

    def made(spin: float, columns: int, dirt: float, seed: int) -> Scan:
        base = scan(spin_deg=spin, scale=1.0 if not columns else 1.004)
        parts = {
            "outer-sidewall": _written(base.parts["outer-sidewall"], columns, dirt, seed),
            "inner-sidewall": _blank(base.parts["inner-sidewall"], 8.0, seed + 20),
        }
        return replace(base, parts=parts)

    found = align_scans(made(0.0, 0, 0.5, 1), made(degrees, shift, 11.0, 2))
    assert found.anchor == "sidewall-markings"
    assert found.faces == "same"
    assert found.spin_certain
    assert found.spin_deg == pytest.approx(degrees, abs=0.4)
    assert found.scale_ratio == pytest.approx(1.004, abs=1.5e-3)
