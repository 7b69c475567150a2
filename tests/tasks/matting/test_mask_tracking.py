"""Frames in which something else was taken for the tyre, by what their neighbours show."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.geometry.crop import Crop
from tasks.matting.mask_tracking import is_alike, squares_missed


def _walk(count: int = 48) -> list[Crop]:
    """Squares of a walk round a tyre: it comes nearer by half, and sways."""
    t = np.linspace(0, 2 * np.pi, count)
    rng = np.random.default_rng(1)
    x = 640 + 120 * np.sin(t) + rng.normal(0, 8, count)
    y = 360 + 60 * np.cos(2 * t) + rng.normal(0, 8, count)
    side = 400 * (1.25 + 0.25 * np.cos(t)) * rng.normal(1, 0.02, count)
    return [Crop(*values) for values in zip(x.tolist(), y.tolist(), side.tolist(), strict=True)]


@pytest.mark.parametrize("missed", [range(20, 21), range(22, 34), range(4), range(44, 48)])
def test_what_is_elsewhere_for_a_while_is_found(missed: range) -> None:
    walk = _walk()
    squares: list[Crop | None] = list(walk)
    for n, i in enumerate(missed):
        squares[i] = Crop(1000.0 + 15 * n, 200.0, 900.0) if n % 3 else None
    found = squares_missed(squares)
    assert sorted(found) == list(missed)
    for i, square in found.items():
        assert square.side == pytest.approx(walk[i].side, rel=0.2)
        assert abs(square.cx - walk[i].cx) < 0.25 * walk[i].side
        assert abs(square.cy - walk[i].cy) < 0.25 * walk[i].side
        assert is_alike(walk[i], square)
        assert not is_alike(squares[i], square)


def test_a_walk_without_faults_is_left_alone() -> None:
    assert squares_missed(_walk()) == {}


def test_photos_from_anywhere_tell_nothing_of_each_other() -> None:
    rng = np.random.default_rng(2)
    anywhere = [
        Crop(float(x), float(y), float(s))
        for x, y, s in rng.uniform([200, 200, 150], [1100, 500, 700], (48, 3))
    ]
    assert squares_missed(anywhere) == {}


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_frames_tell_nothing(count: int) -> None:
    assert squares_missed([None] * 40 + [*_walk()[:count]]) == {}


def test_a_cut_to_another_place_is_doubted_near_the_cut_only() -> None:
    """Both halves agree with their own neighbours; masks near it are looked at again, and kept."""
    walk = _walk(60)
    moved = [Crop(s.cx - 500, s.cy, s.side / 2) for s in walk[30:]]
    found = squares_missed([*walk[:30], *moved])
    assert all(24 <= i < 38 for i in found)
