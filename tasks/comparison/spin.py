"""How far two tyres are turned against each other, and which of their faces is which.

Words are repeated round a sidewall, and on both. Angles at which they fit cannot be common apart by
them, only by what stands once: a serial number, a dot of paint, the rubber's own mottle. Therefore
the angles that fit nearly as well as the best are looked at again with what both tyres show at
several of them taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from configs.comparison import CompareConfig
from tasks.comparison.polar import COLUMNS, PolarImage, elsewhere
from tasks.comparison.ridges import blurred, dilated

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Faces = Literal["same", "turned"]

OUTER, INNER = "outer-sidewall", "inner-sidewall"

_AROUND_PX, _FINE_PX = 25.0, 0.8
"""Strokes stand out from so many columns; rings and light do not."""
_LOUDEST = 0.15
"""Logarithmic brightness from which on a stroke counts no more: paint and glints are not all."""
_OFF_PX = 6
"""Rows by which the scales of both may move what is written."""
_LEAST_DEVIATIONS = 5.0
"""What is written fits at least so well where tyres have it in common; different ones reach 4."""
_MOST_RIVALS = 12
_PEAK_PX = 4
"""Columns by which a way may move when what recurs is taken out."""
_TOLERANCE_PX = 5
"""Neighbourhood in which the same stroke may lie on a repeat."""
_REPEAT_PX, _REPEATED = 4.0, 0.02
"""Next to what recurs, what does not is the less worth the stronger that is: it lies a bit off."""
_SATURATION, _ONCE_PX = 0.03, 1.5
"""Logarithmic brightness from which on what stands once counts no more, and the sigma of its blur:
a cut that is on one of the tyres only would else drown the rubber's mottle."""


@dataclass(frozen=True)
class Turn:
    """One way in which a tyre may lie on the other.

    Args:
        faces: Whether the same faces look outwards.
        columns: Columns by which the other's marks lie further clockwise, for an eye before the
            new one's outer face.
    """

    faces: Faces
    columns: int

    def inverse(self) -> Turn:
        """From the other to the new one."""
        same = self.faces == "same"
        return Turn(self.faces, (-self.columns if same else self.columns) % COLUMNS)


@dataclass(frozen=True)
class Spin:
    """The way in which a tyre lies on the other.

    Args:
        turn: The way.
        correlation: How what stands once fits this way, normalised, -1 to 1.
        runner_up: The same of the best way whose writing fits nearly as well.
        deviations: By how many standard deviations of all other ways it fits better than they do
            in the mean.
    """

    turn: Turn
    correlation: float
    runner_up: float
    deviations: float

    def is_certain(self, config: CompareConfig) -> bool:
        """Whether no other way comes near."""
        ahead = self.correlation >= config.spin_lead * max(self.runner_up, 0.0)
        return ahead and self.deviations >= config.spin_deviations


_Faces = dict[str, Float32Array]
_Known = dict[str, NDArray[np.bool_]]
_Fits = dict[Faces, FloatArray]


def other_face(name: str, faces: Faces) -> str:
    """The other tyre's sidewall that belongs to one of the new tyre's."""
    return name if faces == "same" else {OUTER: INNER, INNER: OUTER}.get(name, name)


def find_spin(
    new: Mapping[str, PolarImage], other: Mapping[str, PolarImage], config: CompareConfig
) -> Spin | None:
    """The way in which the sidewalls of two tyres fit best.

    Args:
        new: The new tyre's sidewalls by name, all of the same radii.
        other: The other one's, of these radii, too.
        config: Parameters.

    Returns:
        The best way; None where they show nothing in common.
    """
    first, second = ({n: _strokes(p) for n, p in tyre.items()} for tyre in (new, other))
    rows = _rows_off(first, second)
    second = {n: _down(v, rows) for n, v in second.items()}
    fits = _fits(first, second)
    spin = _spin(first, second, _best(fits), ())
    if spin.deviations < _LEAST_DEVIATIONS:
        return None
    rivals = _rivals(fits, spin.turn, config.spin_lead)
    if not rivals:
        return spin
    candidates = [spin.turn, *rivals]
    known = (
        {n: p.known for n, p in new.items()},
        {n: _down(p.known, rows) for n, p in other.items()},
    )
    for _ in candidates:
        best, rest = candidates[0], candidates[1:]
        once = (
            _once(first, known[0], best.inverse(), [t.inverse() for t in rest]),
            _once(second, known[1], best, rest),
        )
        fits = _fits(*once)
        candidates.sort(key=lambda t: -_value(fits, _peak(fits, t)))
        if candidates[0] == best:
            break
    return _spin(*once, _peak(fits, candidates[0]), candidates[1:])


def _spin(new: _Faces, other: _Faces, turn: Turn, rivals: Sequence[Turn]) -> Spin:
    """How well one way fits, against its rivals or, where there are none, against all others."""
    fits = _fits(new, other)
    size = max(float(np.sqrt(_energy(new) * _energy(other))), 1e-12)
    rest = np.concatenate(
        [v[elsewhere(turn.columns)] if f == turn.faces else v for f, v in fits.items()]
    )
    value, deviation = _value(fits, turn), max(float(rest.std()), 1e-12)
    runner_up = max((_value(fits, _peak(fits, t)) for t in rivals), default=float(rest.max()))
    return Spin(turn, value / size, runner_up / size, (value - float(rest.mean())) / deviation)


def _rows_off(new: _Faces, other: _Faces) -> int:
    """Rows by which the other's images fit best further down: its scale may be off."""

    def fit(rows: int) -> float:
        moved = {n: _down(v, rows) for n, v in other.items()}
        return max(float(v.max()) for v in _fits(new, moved).values())

    return max(range(-_OFF_PX, _OFF_PX + 1), key=fit)


def _down(image: NDArray[Any], rows: int) -> NDArray[Any]:
    """The image so many rows further down; what comes in shows nothing."""
    out = np.roll(image, rows, axis=0)
    out[: max(rows, 0)] = 0
    out[len(out) + min(rows, 0) :] = 0
    return out


def _strokes(image: PolarImage) -> Float32Array:
    """What is brighter or darker than its surroundings round the tyre, logarithmic."""
    known = image.known
    if not known.any():
        return np.zeros(known.shape, np.float32)
    values = np.where(known, image.brightness - np.median(image.brightness[known]), 0.0)
    broad, share = (
        gaussian_filter1d(v.astype(np.float64), _AROUND_PX, axis=1, mode="wrap")
        for v in (values, known)
    )
    away = np.where(known, values - broad / np.maximum(share, 1e-3), 0.0)
    return np.asarray(_LOUDEST * np.tanh(blurred(away, _FINE_PX) / _LOUDEST) * known, np.float32)


def _energy(tyre: _Faces) -> float:
    return float(sum(np.square(v, dtype=np.float64).sum() for v in tyre.values()))


def _fits(new: _Faces, other: _Faces) -> _Fits:
    """How well the images fit each way, ``(COLUMNS,)`` by what looks outwards."""
    first, second = ({n: np.fft.rfft(v, axis=1) for n, v in tyre.items()} for tyre in (new, other))
    fits: _Fits = {}
    for faces in get_args(Faces):
        crossed = np.zeros(COLUMNS // 2 + 1, np.complex128)
        for name, here in first.items():
            there = second.get(other_face(name, faces))
            if there is not None:
                product = (np.conj(here) * there).sum(axis=0)
                crossed += product if name == OUTER else np.conj(product)  # it turns the other way
        fits[faces] = np.fft.irfft(crossed, COLUMNS)
    return fits


def _best(fits: _Fits) -> Turn:
    faces = max(fits, key=lambda f: float(fits[f].max()))
    return Turn(faces, int(fits[faces].argmax()))


def _rivals(fits: _Fits, best: Turn, lead: float) -> list[Turn]:
    """Other ways that the best one leads by less, the best first."""
    least = fits[best.faces][best.columns] / lead
    left = {faces: values.copy() for faces, values in fits.items()}
    rivals: list[Turn] = []
    while len(rivals) < _MOST_RIVALS:
        last = rivals[-1] if rivals else best
        left[last.faces][~elsewhere(last.columns)] = -np.inf
        rival = _best(left)
        if left[rival.faces][rival.columns] < least:
            break
        rivals.append(rival)
    return rivals


def _placed(tyre: Mapping[str, NDArray[Any]], turn: Turn) -> dict[str, NDArray[Any]]:
    """The other tyre's images where they lie on the new one's."""
    placed = {}
    for name in (OUTER, INNER):
        image = tyre.get(other_face(name, turn.faces))
        if image is not None:
            placed[name] = np.roll(image, -turn.columns if name == OUTER else turn.columns, axis=1)
    return placed


def _once(tyre: _Faces, known: _Known, turn: Turn, rest: Iterable[Turn]) -> _Faces:
    """What a tyre shows where it is placed one way that it does not show placed in others."""
    placed = _placed(tyre, turn)
    high = {name: np.zeros_like(v) for name, v in placed.items()}
    low = {name: np.zeros_like(v) for name, v in placed.items()}
    common = _placed(known, turn)
    for other in rest:
        seen = _placed(known, other)
        for name, image in _placed(tyre, other).items():
            if name in placed:
                high[name] = np.maximum(high[name], dilated(image, _TOLERANCE_PX))
                low[name] = np.minimum(low[name], -dilated(-image, _TOLERANCE_PX))
                common[name] = common[name] & seen[name]
    once = {}
    for name, image in placed.items():
        out = np.maximum(image - high[name], 0.0) + np.minimum(image - low[name], 0.0)
        repeated = np.sqrt(blurred(np.square(np.maximum(high[name], -low[name])), _REPEAT_PX))
        saturated = np.tanh(out / (1.0 + repeated / _REPEATED) / _SATURATION)
        once[name] = blurred(np.where(common[name], saturated, 0.0), _ONCE_PX)
    return {n: v.astype(np.float32) for n, v in _placed(once, turn.inverse()).items()}


def _value(fits: _Fits, turn: Turn) -> float:
    return float(fits[turn.faces][turn.columns])


def _peak(fits: _Fits, turn: Turn) -> Turn:
    """The best way next to one."""
    columns = (turn.columns + np.arange(-_PEAK_PX, _PEAK_PX + 1)) % COLUMNS
    return Turn(turn.faces, int(columns[fits[turn.faces][columns].argmax()]))
