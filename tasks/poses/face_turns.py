"""How far a face has turned in each frame, from the turns of matches between pairs of frames.

Spokes repeat, so that a match may be some spokes off, and what does not turn matches as well: the
angles are those that many matches support and whose rate changes little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from tasks.geometry.angles import wrapped

FloatArray = NDArray[np.float64]
Turns = Sequence[tuple[int, int, FloatArray]]
"""Two frames by position, and the angles by which their matches turn, radians."""

_BIN = np.radians(0.5)
_LARGEST_TURN = np.radians(75.0)
"""Largest turn from one frame to the next that is looked for."""

_USUAL_STEP = np.radians(30.0)
"""Frames of which one matches the next are apart by about so much; by twice that seldom."""

_UNEVEN = np.radians(0.7)
"""Typical change of the turn from one frame to the next, of a wheel that is spun by hand."""

NEAR = np.radians(4.0)
"""A match that turns by that much more or less than its frames is another spoke's."""

_LEAP = 0.25
"""So is a frame that is by such a share of the turn between its neighbours off its place there."""

_STEPS_ABOUT = 9
"""Steps whose median is the usual one: leaps and rests are fewer than half of them."""

MIN_ON_FACE = 8
"""Fewest matches of a pair that tell how far the face has turned between its frames."""


_PRIOR = 0.01
"""Weight of the rate that was given first, of what a match tells."""

_CELLS = 1440
"""Cells of a full turn in which matches are counted."""


class Votes:
    """How many matches of each pair of frames turn by about an angle, more than by chance.

    Args:
        turns: For pairs of frames by position, the angles by which their matches turn.
    """

    def __init__(self, turns: Turns) -> None:
        self.first = np.array([i for i, _, _ in turns], dtype=np.int64)
        self.second = np.array([j for _, j, _ in turns], dtype=np.int64)
        self.total = sum(len(t) for _, _, t in turns)
        cells = np.zeros((len(turns), _CELLS))
        for row, (_, _, turn) in zip(cells, turns, strict=True):
            row += np.bincount(self._cell(turn), minlength=_CELLS)
        cells = cells - self._whatever_the_time(cells)
        apart = wrapped(2 * np.pi * np.arange(_CELLS) / _CELLS)
        near = np.exp(-0.5 * (apart / (0.5 * NEAR)) ** 2)
        smoothed = np.fft.rfft(cells, axis=1) * np.fft.rfft(near)
        self._near = np.fft.irfft(smoothed, n=_CELLS, axis=1)  # (pairs, cells)

    def _whatever_the_time(self, cells: FloatArray) -> FloatArray:
        """What each pair would count if it turned as pairs do that are other times apart.

        Edges that stay, and noise, tell the same small turns of all pairs: more of them than a
        faint face tells right ones.
        """
        expected, apart = np.zeros_like(cells), self.second - self.first
        for gap in np.unique(apart):
            others = cells[apart != gap].sum(axis=0)
            share = others / max(float(others.sum()), 1.0)
            expected[apart == gap] = cells[apart == gap].sum(axis=1, keepdims=True) * share
        return expected

    @staticmethod
    def _cell(angle: FloatArray) -> NDArray[np.int64]:
        return np.rint(angle * _CELLS / (2 * np.pi)).astype(np.int64) % _CELLS

    def support(self, angles: FloatArray) -> FloatArray:
        """How well matches turn as their frames do, summed.

        Args:
            angles: ``(..., N)`` how far the frames have turned.

        Returns:
            One number for each of the sequences.
        """
        apart = angles[..., self.second] - angles[..., self.first]
        return np.asarray(self._near[np.arange(len(self.first)), self._cell(apart)].sum(axis=-1))

    def share(self, angles: FloatArray) -> float:
        """The support of one sequence ``(N,)`` as a share of all matches; 0 without any."""
        return float(self.support(angles)) / max(self.total, 1)


def plausibility(angles: FloatArray) -> FloatArray:
    """How likely it is that a face turns by so much from frame to frame, 1 where it rests.

    Where a face repeats, some spokes more in each frame look as right: the slower turn is.

    Args:
        angles: ``(..., N)`` how far it has turned in each frame, radians.
    """
    step = np.median(np.abs(np.diff(angles, axis=-1)), axis=-1)
    return np.asarray(np.exp(-0.5 * (step / _USUAL_STEP) ** 2))


def steady_angles(votes: Votes, phase: FloatArray) -> FloatArray | None:
    """Angles at the steady rate that the matches of all pairs support most, a plausible one."""
    if votes.total < MIN_ON_FACE * len(phase):
        return None
    time = phase * (len(phase) - 1)
    bins = round(5 * _LARGEST_TURN / _BIN)
    rates = _BIN / 5 * np.arange(-bins, bins + 1)
    angles = rates[:, None] * time
    return np.asarray(angles[(votes.support(angles) * plausibility(angles)).argmax()])


def followed_angles(turns: Turns, phase: FloatArray) -> FloatArray | None:
    """How far the tyre has turned in each frame, radians; None where too little is seen.

    The rates between neighbours are the sequence that the matches support most and that changes
    least: Viterbi, The error bound of convolutional codes, IEEE Trans. Inf. Theory 13, 1967.

    Args:
        turns: For pairs of frames by position, the angles by which their matches turn.
        phase: ``(N,)`` times of the frames, 0 to 1.
    """
    gaps = np.diff(phase) * (len(phase) - 1)  # (N - 1,), about 1
    bins = round(_LARGEST_TURN / _BIN)
    rates = _BIN * np.arange(-bins, bins + 1)
    support = np.zeros((len(gaps), len(rates)))
    supported = 0
    for i, j, turn in turns:
        if j - i != 1 or len(turn) < MIN_ON_FACE:
            continue
        supported += 1
        votes = np.exp(-0.5 * (wrapped(turn[:, None] - gaps[i] * rates) / (3.0 * _BIN)) ** 2)
        support[i] = len(turn) * np.log(0.05 + votes.mean(axis=0)) / 4.0
    if supported < 0.5 * len(gaps):
        return None
    change = -0.5 * ((rates[:, None] - rates) / _UNEVEN) ** 2
    change = np.maximum(change, -8.0)  # a stop or a push is rare, not impossible
    best = np.zeros((len(gaps), len(rates)), dtype=np.int64)
    score = support[0]
    for k in range(1, len(gaps)):
        through = score[:, None] + change
        best[k] = through.argmax(axis=0)
        score = through.max(axis=0) + support[k]
    path = [int(score.argmax())]
    for k in range(len(gaps) - 1, 0, -1):
        path.append(int(best[k][path[-1]]))
    return np.concatenate([[0.0], np.cumsum(gaps * rates[path[::-1]])])


def refined_angles(angles: FloatArray, phase: FloatArray, turns: Turns) -> FloatArray:
    """Angles ``(N,)`` that agree best with the turns of all pairs, those of a closed turn too."""
    n = len(angles)
    for near in (3.0 * NEAR, NEAR):
        rows, right = [], []
        for i, j, turn in turns:
            expected = angles[j] - angles[i]
            apart = wrapped(turn - expected)
            apart = apart[np.abs(apart) < near]
            if len(apart) < MIN_ON_FACE:
                continue
            weight = np.sqrt(len(apart))
            row = np.zeros(n)
            row[j], row[i] = weight, -weight
            rows.append(row)
            right.append(weight * (expected + np.median(apart)))
        gaps = np.maximum(np.diff(phase) * (n - 1), 1e-3)
        # where nothing is seen, the rate goes on; where hardly anything is, as it was given
        rate = np.diff(np.eye(n), axis=0) / gaps[:, None]
        steady = np.diff(rate, axis=0)
        left = np.concatenate(
            [np.array(rows).reshape(-1, n), 0.1 * steady, _PRIOR * rate, np.eye(n)[:1]]
        )
        kept = _PRIOR * (rate @ angles)
        angles = np.linalg.lstsq(
            left, np.concatenate([right, np.zeros(len(steady)), kept, [0.0]]), rcond=None
        )[0]
    return np.asarray(angles - angles[0])


def in_pace(angles: FloatArray, phase: FloatArray) -> NDArray[np.bool_]:
    """Which frames ``(N,)`` turned as far as those before and after tell.

    In a compressed film a frame may show a face as the next one does; no body leaps and waits so.

    Args:
        angles: ``(N,)`` how far the face has turned, radians.
        phase: ``(N,)`` times of the frames, 0 to 1.
    """
    left = list(range(len(angles)))
    while len(left) > 2:
        turned, time = angles[left], phase[left]
        step = (time[1:-1] - time[:-2]) / np.maximum(time[2:] - time[:-2], 1e-9)
        across = turned[2:] - turned[:-2]
        off = np.abs(turned[1:-1] - turned[:-2] - step * across)
        off -= np.maximum(NEAR, _LEAP * np.abs(across))
        worst = int(off.argmax())
        if off[worst] <= 0.0:
            break
        del left[worst + 1]
    return np.isin(np.arange(len(angles)), left)


def evened(angles: FloatArray, phase: FloatArray) -> FloatArray:
    """Angles without slips: where steps leap or rest, and all that follows is off by as much.

    Frames that show their neighbours' face break what is followed. They themselves keep their
    angles, by which :func:`in_pace` knows them.

    Args:
        angles: ``(N,)`` how far the face has turned, radians.
        phase: ``(N,)`` times of the frames, 0 to 1.
    """
    turned, lapse = np.diff(angles), np.maximum(np.diff(phase), 1e-9)
    usual = lapse * median_filter(turned / lapse, _STEPS_ABOUT, mode="nearest")
    slips = np.where(np.abs(turned - usual) > NEAR, usual - turned, 0.0)
    slipped = np.concatenate([[0.0], np.cumsum(slips)])
    return np.asarray(angles + median_filter(slipped, _STEPS_ABOUT, mode="nearest"))
