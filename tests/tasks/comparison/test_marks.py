"""What looks different on a sidewall: a cut is found, a circle that lies a little off is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from configs.comparison import CompareConfig
from tasks.comparison.align import Alignment, align_scans
from tasks.comparison.marks import VisualMark, face_pairs, visual_marks
from tasks.comparison.scan import Scan
from tasks.geometry.similarity import Similarity
from tests.tasks.comparison.made import WIDTH, scan

CONFIG = CompareConfig()
_IN_PLACE = Alignment(Similarity(1.0, np.eye(3), np.zeros(3)), "sidewall-markings")


def _marked(rows: slice, columns: slice, grey: int) -> Scan:
    """The tyre with a patch of one grey on its outer sidewall."""
    made = scan()
    part = made.parts["outer-sidewall"]
    colours = part.colours.copy()
    colours[rows, columns] = grey
    return replace(made, parts={**made.parts, part.name: replace(part, colours=colours)})


def _told(other: Scan, alignment: Alignment = _IN_PLACE) -> list[VisualMark]:
    pairs = face_pairs(scan(), other, alignment, CONFIG)
    return [mark for pair in pairs for mark in visual_marks(pair, CONFIG)]


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
    assert _told(turned, align_scans(scan(), turned)) == []
