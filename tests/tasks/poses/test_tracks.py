"""Matches joined into tracks."""

from __future__ import annotations

import numpy as np

from tasks.poses.sfm import Matches
from tasks.poses.tracks import join_matches


def points(*xy: tuple[float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(xy, dtype=np.float64)


def test_matches_that_share_a_feature_are_one_track() -> None:
    matches = [
        Matches(4, 7, points((1.0, 1.0), (5.0, 5.0)), points((2.0, 1.0), (6.0, 5.0))),
        Matches(7, 9, points((2.0, 1.0)), points((3.0, 1.0))),
    ]
    seen = join_matches(matches, [4, 7, 9], least=3)
    assert seen.frame.tolist() == [0, 1, 2]
    assert seen.point.tolist() == [0, 0, 0]
    assert seen.pixel.tolist() == [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]
    assert len(join_matches(matches, [4, 7, 9], least=2).frame) == 5


def test_a_track_that_is_twice_in_a_frame_is_left_out() -> None:
    matches = [
        Matches(0, 1, points((1.0, 1.0)), points((2.0, 1.0))),
        Matches(1, 2, points((2.0, 1.0)), points((3.0, 1.0))),
        Matches(0, 2, points((9.0, 9.0)), points((3.0, 1.0))),
    ]
    assert len(join_matches(matches, [0, 1, 2], least=2).frame) == 0


def test_no_matches_are_no_tracks() -> None:
    none = np.zeros((0, 2))
    assert len(join_matches([], [0, 1], least=2).frame) == 0
    assert len(join_matches([Matches(0, 1, none, none)], [0, 1], least=2).frame) == 0
