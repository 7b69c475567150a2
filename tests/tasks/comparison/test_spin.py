"""What stands once on the sidewalls tells how a tyre is turned, and which face is which."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from configs.comparison import CompareConfig
from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.comparison.align import align_scans
from tasks.comparison.polar import COLUMNS, PolarImage, polar_image
from tasks.comparison.scan import Scan
from tasks.comparison.spin import INNER, OUTER, Spin, find_spin
from tests.tasks.comparison.made import WIDTH, scan

_WORDS = (("NOPARO WET", 60), ("155/40 R13", 420), ("NOPARO WET", 780), ("DOT 49983741", 1100))


_THRICE = tuple(("ZEONUPER", 20 + k * WIDTH // 3) for k in range(3))
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


_Words = tuple[tuple[str, int], ...]


def _found(
    new: dict[str, _Words], used: dict[str, _Words], dirt: float = 0.5, turn: int = 500
) -> Spin | None:
    """The spin of tyres with words on some faces, the used one turned by columns.

    The inner face is seen from its own side, so that it turns the other way.
    """
    part = scan().parts[OUTER]
    tyres = [
        {
            name: _picture(
                _written(part, shift if name == OUTER else -shift, dirt, 10 * k + at, words)
            )
            for at, (name, words) in enumerate(tyre.items())
        }
        for k, (tyre, shift) in enumerate(((new, 0), (used, turn)))
    ]
    return find_spin(*tyres, CompareConfig())


def _columns(spin: Spin) -> float:
    """By how much it was turned, columns of the flattened sidewall."""
    return spin.turn.columns * WIDTH / COLUMNS


def test_words_that_occur_twice_and_a_number_tell_the_angle_under_dirt() -> None:
    spin = _found({OUTER: _WORDS}, {OUTER: _WORDS}, 4.0)
    assert spin is not None
    assert spin.is_certain(CompareConfig())
    assert _columns(spin) == pytest.approx(500, abs=2)


@pytest.mark.parametrize("turn", [0, 200, 500, 1100])
def test_what_is_written_once_tells_a_word_from_its_repeats(turn: int) -> None:
    words = (*_THRICE, _SERIAL)
    spin = _found({OUTER: words}, {OUTER: words}, 2.0, turn)
    assert spin is not None
    assert spin.is_certain(CompareConfig())
    assert abs((_columns(spin) - turn + WIDTH / 2) % WIDTH - WIDTH / 2) < 2


def test_a_word_and_its_repeats_alone_are_not_certain() -> None:
    spin = _found({OUTER: _THRICE}, {OUTER: _THRICE})
    assert spin is not None
    assert not spin.is_certain(CompareConfig())
    off = (_columns(spin) - 500) % (WIDTH / 3)
    assert min(off, WIDTH / 3 - off) < 2, "at one of the repeats"


def test_both_faces_turn_in_step() -> None:
    """The outer face fits three times; the number stands on the inner one."""
    words = {OUTER: _THRICE, INNER: (("NUBUBU", 200), ("NUBUBU", 200 + WIDTH // 3), _SERIAL)}
    spin = _found(words, words)
    assert spin is not None
    assert spin.is_certain(CompareConfig())
    assert spin.turn.faces == "same"
    assert _columns(spin) == pytest.approx(500, abs=2)


def test_a_face_that_turns_against_the_other_is_not_certain() -> None:
    """As a picture that was mirrored would: each face fits by itself, at another angle."""
    words = (*_THRICE, _SERIAL)
    part = scan().parts[OUTER]
    new = {n: _picture(_written(part, 0, 0.5, k, words)) for k, n in enumerate((OUTER, INNER))}
    used = {
        n: _picture(_written(part, 500, 0.5, 5 + k, words)) for k, n in enumerate((OUTER, INNER))
    }
    spin = find_spin(new, used, CompareConfig())
    assert spin is None or not spin.is_certain(CompareConfig())


def test_a_mirrored_picture_does_not_fit() -> None:
    part = scan().parts[OUTER]
    words = (*_THRICE, _SERIAL)
    other = _written(part, 500, 0.5, 2, words)
    other = replace(other, colours=np.ascontiguousarray(other.colours[:, ::-1]))
    spin = find_spin(
        {OUTER: _picture(_written(part, 0, 0.5, 1, words))},
        {OUTER: _picture(other)},
        CompareConfig(),
    )
    assert spin is None or not spin.is_certain(CompareConfig())


def test_faces_that_say_the_same_do_not_tell_which_is_which() -> None:
    """Turned over, the tyre looks as it looked."""
    words = (*_THRICE, _SERIAL)
    spin = _found({OUTER: words, INNER: words}, {OUTER: words, INNER: words})
    assert spin is not None
    assert not spin.is_certain(CompareConfig())


def test_the_other_face_outwards_is_seen() -> None:
    first, second = (*_THRICE, _SERIAL), _WORDS
    spin = _found({OUTER: first, INNER: second}, {OUTER: second, INNER: first}, turn=-500)
    assert spin is not None
    assert spin.is_certain(CompareConfig())
    assert spin.turn.faces == "turned"
    # the new one's outer face is the other's inner, which turned by 500 as it is seen
    assert _columns(spin) == pytest.approx(500, abs=2)


def test_a_scale_that_is_off_does_not_matter() -> None:
    words = (*_THRICE, _SERIAL)
    part = scan().parts[OUTER]
    new, used = _picture(_written(part, 0, 0.5, 1, words)), _written(part, 500, 0.5, 2, words)
    spin = find_spin({OUTER: new}, {OUTER: polar_image(used, 1.012, new.radii)}, CompareConfig())
    assert spin is not None
    assert spin.is_certain(CompareConfig())
    assert _columns(spin) == pytest.approx(500, abs=2)


def test_dirt_alone_tells_nothing() -> None:
    part = scan().parts[OUTER]
    tyres = [{OUTER: _picture(_blank(part, 6.0, seed))} for seed in (1, 9)]
    spin = find_spin(*tyres, CompareConfig())
    assert spin is None or not spin.is_certain(CompareConfig())


def test_nothing_to_see_is_no_angle() -> None:
    plain = {OUTER: _picture(_blank(scan().parts[OUTER], 0.0, 1))}
    assert find_spin(plain, plain, CompareConfig()) is None


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

    found = align_scans(made(0.0, 0, 0.5, 1), made(degrees, shift, 11.0, 2), CompareConfig())
    assert found.anchor == "sidewall-markings"
    assert found.faces == "same"
    assert found.spin_certain
    assert found.spin_deg == pytest.approx(degrees, abs=0.4)
    assert found.scale_ratio == pytest.approx(1.004, abs=1.5e-3)
