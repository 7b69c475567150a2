"""Observations chosen by their points' tracks."""

from __future__ import annotations

import numpy as np

from tasks.poses.observations import Observations, adder, sums

SEEN = Observations(
    np.array([0, 1, 2, 0, 1, 0, 2, 3, 1, 2]),
    np.array([4, 4, 4, 7, 7, 9, 9, 9, 2, 2]),
    np.arange(20.0).reshape(10, 2),
)


def test_longest_tracks_come_first_until_every_frame_has_enough() -> None:
    once = SEEN.of_longest_tracks(1)
    assert set(once.point.tolist()) == {4, 9}  # of three frames each, and all frames have one
    assert once.pixel[:, 0].tolist() == [0.0, 2.0, 4.0, 10.0, 12.0, 14.0]
    assert set(SEEN.of_longest_tracks(2).point.tolist()) == {2, 4, 9}  # the fourth has no second
    nothing = SEEN.chosen(np.zeros(10, dtype=bool))
    assert len(nothing.of_longest_tracks(5).frame) == 0


def test_points_are_renumbered_and_counted() -> None:
    numbers, seen = SEEN.renumbered()
    assert numbers.tolist() == [2, 4, 7, 9]
    assert np.array_equal(numbers[seen.point], SEEN.point)
    assert set(SEEN.of_points_seen(3).point.tolist()) == {4, 9}


def test_sums_are_those_of_each_index() -> None:
    values = np.arange(40.0).reshape(10, 2, 2)
    found = sums(adder(SEEN.frame, 4), values)
    for frame in range(4):
        np.testing.assert_array_equal(found[frame], values[SEEN.frame == frame].sum(axis=0))
