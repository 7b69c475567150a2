"""Sidewalls and treads of two tyres, place on place."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.comparison import CompareConfig
from tasks.comparison.align import Alignment
from tasks.comparison.part_pairs import PartPair, _tolerance, levelled, part_pairs
from tasks.comparison.polar import COLUMNS
from tasks.geometry.similarity import Similarity
from tests.tasks.comparison.made import BEAD, SHOULDER, scan

CONFIG = CompareConfig()


def placed(spin_deg: float = 0.0, scale: float = 1.0) -> Alignment:
    """Where the transform is that undoes a clockwise spin and a scale."""
    back = Rotation.from_euler("z", spin_deg, degrees=True).as_matrix()
    return Alignment(Similarity(1 / scale, back, np.zeros(3)), "sidewall-markings")


@cache
def pairs(spin_deg: float, scale: float, undone_deg: float) -> dict[str, PartPair]:
    """The plain tyre and the same, turned clockwise and made larger; how far it is turned back."""
    other = scan(spin_deg=spin_deg, scale=scale)
    found = part_pairs(scan(), other, placed(undone_deg, scale), CONFIG)
    return {pair.part: pair for pair in found}


@pytest.mark.parametrize(("spin", "scale"), [(0.0, 1.0), (73.0, 1.05)])
def test_the_same_place_has_the_same_brightness(spin: float, scale: float) -> None:
    found = pairs(spin, scale, spin)
    assert set(found) == {"outer-sidewall", "inner-sidewall"}
    for pair in found.values():
        both = pair.new.known & pair.other.known
        assert both.mean() > 0.9
        apart = np.abs(pair.new.brightness - pair.other.brightness)[both]
        assert np.percentile(apart, 95) < 0.06
        assert np.abs(pair.difference).max() < 0.1
        assert pair.section[0, 0] == pytest.approx(SHOULDER, abs=0.002)
        assert pair.section[-1, 0] == pytest.approx(BEAD, abs=0.003)


def test_at_another_angle_the_marks_do_not_agree() -> None:
    right, wrong = pairs(73.0, 1.05, 73.0), pairs(73.0, 1.05, 70.0)
    for part, pair in right.items():
        assert np.abs(wrong[part].difference).mean() > 5 * np.abs(pair.difference).mean()
        assert wrong[part].noise > 3 * pair.noise


def test_marks_may_lie_off_by_what_remains_of_the_alignment() -> None:
    for residual_mm, pixels in ((math.nan, 2), (0.4, 2), (1.4, 3), (2.6, 6)):
        alignment = replace(placed(), residual_mm=residual_mm)
        assert _tolerance(alignment, CONFIG) == pixels


def test_a_column_is_as_long_as_its_circle_says() -> None:
    pair = pairs(0.0, 1.0, 0.0)["outer-sidewall"]
    assert pair.column_m(slice(0, 1)) == pytest.approx(2 * math.pi * pair.section[0, 0] / COLUMNS)
    assert pair.column_m() == pytest.approx(2 * math.pi * 0.25 / COLUMNS, rel=0.01)


def test_what_is_near_the_unknown_or_the_picture_s_edge_is_not_compared() -> None:
    pair = pairs(0.0, 1.0, 0.0)["outer-sidewall"]
    known = pair.new.known.copy()
    known[50, 1000] = False
    *_, away = replace(pair, new=replace(pair.new, known=known)).comparable(5)
    assert not away[45:56, 995:1006].any()
    assert away[50, 1007]
    assert not away[:4].any()
    assert not away[-4:].any()


def test_light_is_taken_away_and_marks_stay() -> None:
    light = np.linspace(3, 5, COLUMNS)[None] + np.zeros((80, 1))
    values = light.astype(np.float32)
    values[40, 1000] += 1.0
    known = np.ones(values.shape, np.bool_)
    known[:, :500] = False
    found = levelled(values, known)
    calm = np.ones(values.shape, np.bool_)
    calm[30:51, 990:1011], calm[:, :620], calm[:, -120:] = False, False, False
    assert np.abs(found[calm]).max() < 0.01
    assert found[40, 1000] > 0.15
    assert not found[:, 20:480].any(), "nor is anything made up where nothing is known"
