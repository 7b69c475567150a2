"""Angles of a face, from matches some of which follow the wrong spoke or nothing that turns."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.poses.face_turns import (
    Turns,
    Votes,
    evened,
    followed_angles,
    in_pace,
    refined_angles,
    steady_angles,
    wrapped,
)

FloatArray = NDArray[np.float64]


def matches_of(angles: FloatArray, *, spokes: int, right: float, seed: int = 0) -> Turns:
    """Turns of neighbours and of frames farther apart; wrong ones are one or two spokes off."""
    rng = np.random.default_rng(seed)
    turns = []
    for gap in (1, 2, 4):
        for i in range(len(angles) - gap):
            true = angles[i + gap] - angles[i]
            turn = true + rng.normal(0, np.radians(0.6), 40)
            off = rng.random(40) > right
            turn[off] += 2 * np.pi / spokes * rng.choice([-2, -1, 1, 2], int(off.sum()))
            turns.append((i, i + gap, wrapped(turn)))
    return turns


def slowing(frames: int, first_deg: float, last_deg: float) -> FloatArray:
    rates = np.radians(np.linspace(first_deg, last_deg, frames - 1))
    return np.concatenate([[0.0], np.cumsum(rates)])


@pytest.mark.parametrize(("first", "last"), [(9.0, 9.0), (-11.0, -5.0), (3.0, 8.0)])
def test_a_wheel_with_spokes_is_followed(first: float, last: float) -> None:
    angles = slowing(36, first, last)
    turns = matches_of(angles, spokes=10, right=0.55)
    guess = followed_angles(turns, np.linspace(0, 1, 36))
    assert guess is not None
    found = refined_angles(guess, np.linspace(0, 1, 36), turns)
    assert np.degrees(np.abs(found - angles)).max() < 1.0


def test_uneven_times_are_no_uneven_rate() -> None:
    time = np.array([0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18], dtype=np.float64)
    angles = np.radians(6.0) * time
    turns = matches_of(angles, spokes=12, right=0.6)
    for guess in (followed_angles(turns, time / 18), steady_angles(Votes(turns), time / 18)):
        assert guess is not None
        assert np.degrees(np.abs(guess - angles)).max() < 5.0


def test_the_right_angles_have_more_support_than_those_a_spoke_off() -> None:
    angles = slowing(20, 8.0, 8.0)
    turns = matches_of(angles, spokes=6, right=0.6)
    off = angles + 2 * np.pi / 6 * np.arange(20)
    right, wrong = Votes(turns).support(np.stack([angles, off]))
    assert right > 2 * wrong
    assert right == pytest.approx(0.6 * Votes(turns).total, rel=0.15)


def test_a_closed_turn_spreads_what_the_steps_have_lost() -> None:
    angles = slowing(24, 15.0, 15.0)
    turns = [(i, i + 1, np.full(20, np.radians(14.9))) for i in range(23)]
    turns += [(0, 23, np.full(200, wrapped(np.array([angles[-1]]))[0]))]
    found = refined_angles(0.99 * angles, np.linspace(0, 1, 24), turns)
    assert np.degrees(abs(found[-1] - angles[-1])) < 0.4


def test_angles_stay_as_they_were_told_where_no_pair_tells_more() -> None:
    angles, phase = slowing(30, 10.0, 10.0), np.linspace(0, 1, 30)
    few = [(i, i + 1, np.full(5, np.radians(10.0))) for i in range(29)]
    assert refined_angles(angles, phase, few) == pytest.approx(angles, abs=1e-6)


def test_too_few_matches_say_nothing() -> None:
    phase = np.linspace(0, 1, 12)
    assert followed_angles([(0, 1, np.zeros(30))], phase) is None
    assert steady_angles(Votes([(0, 1, np.zeros(30))]), phase) is None


def test_what_stays_does_not_outvote_a_faint_face() -> None:
    rng = np.random.default_rng(1)
    angles = slowing(30, 9.9, 9.9)
    turns = []
    for gap in (1, 2, 3, 4, 6, 8):
        for i in range(30 - gap):
            stays = np.radians(rng.choice([-1, 1], 40) * rng.uniform(3.0, 7.0, 40))
            right = wrapped(angles[i + gap] - angles[i] + rng.normal(0, np.radians(0.6), 6))
            turns.append((i, i + gap, np.concatenate([stays, right])))
    found = steady_angles(Votes(turns), np.linspace(0, 1, 30))
    assert found is not None
    assert np.degrees(found[-1]) == pytest.approx(29 * 9.9, abs=3.0)


def test_a_frame_that_shows_the_next_ones_angle_is_out_of_pace() -> None:
    angles, phase = slowing(20, 12.0, 8.0), np.linspace(0, 1, 20)
    assert in_pace(angles, phase).all()
    angles[[4, 11]] = angles[[5, 10]]
    angles[15:17] = angles[17]
    assert np.flatnonzero(~in_pace(-angles, phase)).tolist() == [4, 11, 15, 16]


def test_uneven_times_and_an_uneven_hand_are_in_pace() -> None:
    time = np.array([0, 1, 3, 4, 9, 10, 12], dtype=np.float64)
    assert in_pace(np.radians(15.0) * time, time / 12).all()
    uneven = np.radians(np.cumsum([0.0, *np.tile([6.0, 12.0], 6)]))
    assert in_pace(uneven, np.linspace(0, 1, 13)).all()


def test_frames_that_show_their_neighbours_do_not_shift_those_after_them() -> None:
    phase = np.linspace(0.0, 1.0, 40)
    true = np.radians(380.0) * phase**1.2  # a tyre that is pushed
    broken = true.copy()
    broken[9:] -= np.radians(9.0)
    broken[12:] -= np.radians(10.0)
    assert np.degrees(np.abs(evened(broken, phase) - true)).max() < 2.5
    assert evened(true, phase) == pytest.approx(true)
    stopped = np.minimum(true, true[20])  # a rest that lasts is none
    assert evened(stopped, phase)[-1] == pytest.approx(true[20], abs=np.radians(4.0))
