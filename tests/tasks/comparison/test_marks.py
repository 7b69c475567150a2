"""What looks different: cuts, torn blocks and graining are found, what only shows otherwise not."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from configs.comparison import CompareConfig
from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.comparison.align import Alignment, align_scans
from tasks.comparison.marks import VisualMark, visual_marks
from tasks.comparison.part_pairs import TREAD, part_pairs
from tasks.comparison.scan import Scan
from tasks.geometry.similarity import Similarity
from tests.tasks.comparison.made import RADIUS, WIDTH, FloatArray, scan

CONFIG = CompareConfig()
PIXEL_M = 0.001
_IN_PLACE = Alignment(Similarity(1.0, np.eye(3), np.zeros(3)), "sidewall-markings")


def _marked(rows: slice, columns: slice, grey: int) -> Scan:
    """The tyre with a patch of one grey on its outer sidewall."""
    made = scan()
    part = made.parts["outer-sidewall"]
    colours = part.colours.copy()
    colours[rows, columns] = grey
    return replace(made, parts={**made.parts, part.name: replace(part, colours=colours)})


def _told(other: Scan, alignment: Alignment = _IN_PLACE) -> list[VisualMark]:
    pairs = part_pairs(scan(), other, alignment, CONFIG)
    return [mark for pair in pairs for mark in visual_marks(pair, PIXEL_M, CONFIG)]


def test_a_cut_is_found_where_it_is() -> None:
    # 50 mm across the sidewall, 5 mm wide, at 90°
    (mark,) = _told(_marked(slice(30, 80), slice(WIDTH // 4 - 2, WIDTH // 4 + 3), 5))
    assert mark.part == "outer-sidewall"
    assert mark.angle_deg == pytest.approx(90.0, abs=1.0)
    assert mark.radius_mm == pytest.approx(245.0, abs=4.0)
    assert mark.length_mm == pytest.approx(50.0, abs=12.0)
    assert mark.width_mm < 12.0
    assert mark.strength < 0


def test_a_scuff_is_brighter() -> None:
    (mark,) = _told(_marked(slice(40, 60), slice(700, 720), 250))
    assert mark.strength > 0


def test_a_circle_that_lies_off_is_no_cut() -> None:
    assert _told(_marked(slice(50, 54), slice(100, 500), 5)) == []


def test_nothing_differs_on_the_same_tyre() -> None:
    turned = scan(spin_deg=50.0)
    assert _told(turned, align_scans(scan(), turned, CompareConfig())) == []


_BLOTCHES = 12.0
"""Sigma of the dirt, pixels."""


def _dirty(grey: FloatArray, seed: int) -> FloatArray:
    """A picture with blotches of dirt as strong as what is looked for."""
    noise = np.random.default_rng(seed).normal(size=grey.shape)
    blotches = gaussian_filter(noise, _BLOTCHES, mode=("nearest", "wrap"))
    return grey + 8 * blotches / blotches.std()


def _with(part: str, grey: FloatArray, made: Scan) -> Scan:
    """A scan with a part of these grey levels; the tread is that of the plain tyre."""
    colours = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    seen = np.full(grey.shape, Provenance.MEASURED, np.uint8)
    if part == TREAD:
        height = np.linspace(-0.085, 0.085, len(grey))
        place = np.stack([np.full(len(grey), RADIUS), height], axis=1)
    else:
        place = made.parts[part].section
    flat = FlatPart(part, colours, seen, clockwise=part != "inner-sidewall", section=place)
    return replace(made, parts={**made.parts, part: flat})


def _wall() -> FloatArray:
    return np.full((100, WIDTH), 90.0)


def _told_of(
    part: str, new: FloatArray, other: FloatArray, alignment: Alignment = _IN_PLACE
) -> list[VisualMark]:
    plain = scan(letters=False)
    pairs = part_pairs(_with(part, new, plain), _with(part, other, plain), alignment, CONFIG)
    return [mark for pair in pairs for mark in visual_marks(pair, PIXEL_M, CONFIG)]


def test_a_thin_cut_in_dirt_is_found_by_its_shape() -> None:
    cut = np.zeros((100, WIDTH), np.uint8)
    cv2.line(cut, (240, 30), (264, 62), 1, 2)  # 40 mm along, 3 mm wide, about 63°
    new, dirty = _dirty(_wall(), 1), _dirty(_wall(), 2)
    assert _told_of("outer-sidewall", new, dirty) == []
    (mark,) = _told_of("outer-sidewall", new, dirty - 20 * cut)
    assert mark.angle_deg == pytest.approx(63.0, abs=1.0)
    assert mark.length_mm == pytest.approx(42.0, abs=10.0)
    assert mark.width_mm < 10.0
    assert mark.strength < 0


def test_a_cut_across_the_seam_of_the_picture_is_found() -> None:
    cut = np.zeros((100, WIDTH), np.uint8)
    cv2.line(cut, (708, 30), (732, 62), 1, 2)
    cut = np.roll(cut, WIDTH // 2, axis=1)
    (mark,) = _told_of("outer-sidewall", _dirty(_wall(), 1), _dirty(_wall(), 2) - 20 * cut)
    assert mark.angle_deg is not None
    assert abs((mark.angle_deg + 180.0) % 360.0 - 180.0) < 1.0


def test_sides_of_blocks_at_the_shoulder_are_no_marks() -> None:
    """One film looks at them from higher up than the other."""
    new, other = _dirty(_wall(), 1), _dirty(_wall(), 2)
    for column in range(0, WIDTH, 90):
        other[:6, column : column + 40] -= 25
    assert _told_of("outer-sidewall", new, other) == []


def test_a_films_smeared_end_is_no_torn_block() -> None:
    """Blocks and grooves run into each other, there alone."""
    new, worn = _dirty(_blocks(40), 3), _dirty(_blocks(75), 4)
    rng = np.random.default_rng(7)
    patches = gaussian_filter(rng.normal(size=(len(worn), 120)), 5.0)
    worn[:, 600:720] -= 15 * patches / patches.std()
    assert _told_of(TREAD, new, worn) == []


@pytest.mark.parametrize(("part", "new"), [("outer-sidewall", _wall()), (TREAD, _wall() + 20)])
def test_what_is_hardly_darker_on_a_clean_tyre_is_no_mark(part: str, new: FloatArray) -> None:
    """As in places between two films of one tyre at different sizes."""
    marked = np.zeros(new.shape, np.uint8)
    marked[40:68, 300:335] = 1
    cv2.line(marked, (600, 30), (624, 62), 1, 2)
    assert _told_of(part, new, new - 5 * marked) == []
    assert _told_of(part, new, new - 20 * marked) != []


def test_marks_of_few_pixels_of_a_coarse_film_are_not_told() -> None:
    cut = np.zeros((100, WIDTH), np.uint8)
    cv2.line(cut, (240, 30), (264, 62), 1, 2)  # 40 mm long
    plain = scan(letters=False)
    other = _with("outer-sidewall", _wall() - 30 * cut, plain)
    (pair,) = part_pairs(_with("outer-sidewall", _wall(), plain), other, _IN_PLACE, CONFIG)[:1]
    assert len(visual_marks(pair, 0.002, CONFIG)) == 1
    assert visual_marks(pair, 0.005, CONFIG) == []


def test_the_dark_between_letters_is_no_cut() -> None:
    letters = np.zeros((100, WIDTH), np.uint8)
    cv2.putText(letters, "NOPARO WET", (200, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 1, 5)
    faint, clear = _wall() + 12 * letters, _wall() + 60 * letters
    marks = _told_of("outer-sidewall", faint, clear)
    assert all(mark.strength > 0 for mark in marks)


def _blocks(groove: float) -> FloatArray:
    """A tread of blocks: 170 mm wide, grooves of some grey along and across it."""
    grey = np.full((170, WIDTH), 110.0)
    for middle in (40, 85, 130):
        grey[middle - 4 : middle + 4] = groove
    for column in range(0, WIDTH, 60):
        grey[:, column : column + 5] = groove
    return grey


def test_a_torn_block_is_found_and_grooves_that_got_paler_are_not() -> None:
    new, worn = _dirty(_blocks(40), 3), _dirty(_blocks(75), 4)
    assert _told_of(TREAD, new, worn) == []
    worn[46:74, 730:765] = 35  # 28 by 49 mm, at 187°, 25 mm from the middle to the inner face
    (mark,) = _told_of(TREAD, new, worn)
    assert mark.angle_deg == pytest.approx(187.0, abs=2.0)
    assert mark.height_mm == pytest.approx(-25.0, abs=5.0)
    assert mark.length_mm > 25.0


def test_what_only_was_bright_on_the_new_tyre_is_not_torn() -> None:
    new, worn = _dirty(_blocks(40), 3), _dirty(_blocks(75), 4)
    new[46:74, 730:765] = 200
    assert _told_of(TREAD, new, worn) == []


def test_the_tread_of_a_tyre_that_was_turned_over_lies_on_the_new_one() -> None:
    new, worn = _dirty(_blocks(40), 3), _dirty(_blocks(75), 4)
    worn[46:74, 730:765] = 35
    turned = Alignment(
        Similarity(1.0, np.diag([-1.0, 1.0, -1.0]), np.zeros(3)), "sidewall-markings", "turned"
    )
    (mark,) = _told_of(TREAD, new, worn[::-1, ::-1], turned)
    assert mark.angle_deg == pytest.approx(187.0, abs=2.0)
    assert mark.height_mm == pytest.approx(-25.0, abs=5.0)


def _grained(grey: FloatArray, rows: slice, columns: slice = slice(None)) -> FloatArray:
    """The tread with ripples of 9 mm in some rows."""
    ripple = 14 * np.sin(np.arange(WIDTH) * (2 * math.pi * 1000 * RADIUS / WIDTH / 9.0))
    out = grey.copy()
    out[rows, columns] += ripple[columns]
    return out


def test_graining_is_told_as_a_band_all_round() -> None:
    new, worn = _dirty(_blocks(40), 5), _dirty(_blocks(75), 6)
    (band,) = _told_of(TREAD, new, _grained(worn, slice(95, 122)))
    assert band.angle_deg is None
    assert band.height_mm == pytest.approx(23.0, abs=6.0)
    assert band.width_mm == pytest.approx(27.0, abs=12.0)


def test_what_is_rough_in_one_place_or_all_over_is_no_band() -> None:
    new, worn = _dirty(_blocks(40), 5), _dirty(_blocks(75), 6)
    assert _told_of(TREAD, new, _grained(worn, slice(95, 122), slice(200, 500))) == []
    assert _told_of(TREAD, new, _grained(worn, slice(None))) == []


def test_one_band_that_is_hardly_rougher_is_the_edge_of_a_groove() -> None:
    new, worn = _dirty(_blocks(40), 5), _dirty(_blocks(75), 6)
    weakly = worn + 0.5 * (_grained(worn, slice(95, 122)) - worn)
    assert _told_of(TREAD, new, weakly) == []
