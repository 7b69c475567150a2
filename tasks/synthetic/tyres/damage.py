"""Damage beyond even wear: what it does to the rubber's shape and how it looks.

Positions are those of the rubber's own frame: angles counter-clockwise from +X about +Z in radians,
z from the middle of the tread, lengths in metres. ``face`` is +1 for the sidewall at +z, -1 for the
other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_BREAK = 0.2
"""Share of a chunk's half size over which its edge falls to its floor."""
_RIPPLE = 0.009
"""From one ripple of graining to the next, metres."""


@dataclass(frozen=True)
class Mount:
    """How the rubber sits on its wheel.

    Args:
        angle: By how much it is turned on the rim, about the axle.
        turned: Whether its other face looks outwards: it was turned about an upright axis, so
            what is written on it still reads.
    """

    angle: float = 0.0
    turned: bool = False


ON_ITS_WHEEL = Mount()


@dataclass(frozen=True)
class Bulge:
    """A smooth swelling of a sidewall, or a dent.

    Args:
        face: Sidewall.
        angle, radius: Its middle.
        length, height: Half its extent along the circumference and towards the axle.
        depth: By how much its middle is moved along the axle, plus is outwards.
    """

    face: int
    angle: float
    radius: float
    length: float
    height: float
    depth: float


@dataclass(frozen=True)
class Chunk:
    """A piece torn out of the tread, with a ragged edge.

    Args:
        angle, z: Its middle.
        length, width: Half its extent along the circumference and along the axle.
        depth: Below the tread.
        seed: What its outline is drawn with.
    """

    angle: float
    z: float
    length: float
    width: float
    depth: float
    seed: int


@dataclass(frozen=True)
class Blisters:
    """A patch of small dark pits in the tread.

    Args:
        angle, z: The patch's middle.
        length, width: Half its extent along the circumference and along the axle.
        count: Number of pits.
        radius: The largest one's radius.
        depth: The largest one's depth.
        seed: What their positions are drawn with.
    """

    angle: float
    z: float
    length: float
    width: float
    count: int
    radius: float
    depth: float
    seed: int

    def pits(self, tread_radius: float) -> FloatArray:
        """``(N, 4)`` angle, z, radius and depth of every pit."""
        rng = np.random.default_rng(self.seed)
        way = np.sqrt(rng.random(self.count))
        turn = rng.uniform(0, 2 * math.pi, self.count)
        size = rng.uniform(0.45, 1.0, self.count)
        return np.stack(
            [
                self.angle + way * np.cos(turn) * self.length / tread_radius,
                self.z + way * np.sin(turn) * self.width,
                size * self.radius,
                size * self.depth,
            ],
            axis=1,
        )


@dataclass(frozen=True)
class Grain:
    """Ripples across the tread all round, as they look; their height is the wear's.

    Args:
        z: Middle of their band.
        width: Half of its width.
        seed: What the ripples are drawn with.
    """

    z: float
    width: float
    seed: int


@dataclass(frozen=True)
class SidewallCut:
    """A dark gash in a sidewall. It changes what is seen, not the shape: it is too narrow for that.

    Args:
        face: Sidewall.
        angle, radius: Its middle.
        length, width: Half its extent along and across it.
        direction: 0 along the circumference, a quarter turn towards the axle.
        seed: What its ragged edge is drawn with.
    """

    face: int
    angle: float
    radius: float
    length: float
    width: float
    direction: float
    seed: int


@dataclass(frozen=True)
class Scuff:
    """A sidewall scraped lighter, as along a kerb; arguments as of :class:`SidewallCut`."""

    face: int
    angle: float
    radius: float
    length: float
    width: float
    direction: float
    seed: int


@dataclass(frozen=True)
class DamageSpec:
    """All damage of a tyre, each kind as often as there are records of it."""

    bulges: tuple[Bulge, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    blisters: tuple[Blisters, ...] = ()
    cuts: tuple[SidewallCut, ...] = ()
    scuffs: tuple[Scuff, ...] = ()
    grains: tuple[Grain, ...] = ()

    @property
    def of_tread(self) -> bool:
        """Whether the tread lost rubber."""
        return bool(self.chunks or self.blisters)


def tread_loss(damage: DamageSpec, theta: FloatArray, z: FloatArray, radius: float) -> FloatArray:
    """Radius that chunks and pits take from the tread, ``(N,)`` metres.

    Args:
        damage: The tyre's damage.
        theta: ``(N,)`` angles.
        z: ``(N,)`` along the axle.
        radius: The new tread's radius.
    """
    theta, z = np.broadcast_arrays(theta, z)
    loss = np.zeros(theta.shape)
    for chunk in damage.chunks:
        rho, rough = _torn(chunk, theta, z, radius)
        deep = chunk.depth * np.clip((1.0 - rho) / _BREAK, 0.0, 1.0) * (1.0 + 0.12 * rough)
        loss = np.maximum(loss, deep)
    for patch in damage.blisters:
        near = _on_patch(patch, theta, z, radius)
        for angle, across, size, depth in patch.pits(radius):
            off = np.hypot(wrapped(theta[near] - angle) * radius, z[near] - across) / size
            loss[near] = np.maximum(loss[near], depth * np.clip(1.5 * (1.0 - off * off), 0.0, 1.0))
    return np.asarray(loss)


def sidewall_shift(
    damage: DamageSpec, r: FloatArray, theta: FloatArray, side: FloatArray
) -> FloatArray:
    """By how much the sidewalls are moved along z, ``(N,)`` metres.

    It depends on radius, angle and side only, so that moving a point back is exact.

    Args:
        damage: The tyre's damage.
        r: ``(N,)`` radii.
        theta: ``(N,)`` angles.
        side: ``(N,)`` its sign is that of the face.
    """
    shift = np.zeros(np.broadcast(r, theta).shape)
    for bulge in damage.bulges:
        a = wrapped(theta - bulge.angle) * bulge.radius / bulge.length
        b = (r - bulge.radius) / bulge.height
        swell = np.clip(1.0 - a * a - b * b, 0.0, 1.0) ** 2
        shift += np.where(np.sign(side) == bulge.face, bulge.face * bulge.depth * swell, 0.0)
    return np.asarray(shift)


@dataclass(frozen=True)
class Marks:
    """What damage does to the colour of points.

    Args:
        paint: ``(N, 3)`` linear RGB.
        cover: ``(N,)`` share by which it replaces the rubber's own.
        matt: ``(N,)`` share by which it takes the shine.
    """

    paint: Float32Array
    cover: Float32Array
    matt: Float32Array


def marks_at(
    damage: DamageSpec, points: FloatArray, tread: BoolArray, wall: BoolArray, radius: float
) -> Marks:
    """The colours of damage at points of the rubber.

    Args:
        damage: The tyre's damage.
        points: ``(N, 3)`` of the rubber.
        tread: ``(N,)`` which of them lie on the tread.
        wall: ``(N,)`` which lie on a sidewall.
        radius: The new tread's radius.
    """
    theta = np.arctan2(points[:, 1], points[:, 0])
    r, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
    none = np.zeros(len(z), np.float32)
    marks = Marks(np.zeros((len(z), 3), np.float32), none, none.copy())
    for scuff in damage.scuffs:
        a, b = _along(scuff, theta, r)
        rng = np.random.default_rng(scuff.seed)
        streak = sum(
            np.sin(b * f + 0.3 * np.sin(3 * a + p) + p)
            for f, p in zip(rng.uniform(8, 40, 4), rng.uniform(0, 6, 4), strict=True)
        )
        edge = np.clip(2.5 * (1.0 - a * a - b * b * (1 + 0.2 * np.sin(9 * a))), 0.0, 1.0)
        here = wall & (np.sign(z) == scuff.face)
        _lay(marks, here * edge * np.clip(0.65 + 0.2 * streak, 0.15, 1.0), (0.17, 0.16, 0.15), 0.9)
    for grain in damage.grains:
        p = np.random.default_rng(grain.seed).uniform(0, 2 * math.pi, 4)
        bent = 2.2 * np.sin(9 * theta + 40 * z + p[0]) + 1.5 * np.sin(31 * theta - 90 * z + p[1])
        ripple = np.sin(2 * math.pi * theta * radius / _RIPPLE + bent + 25 * np.sin(30 * z + p[2]))
        band = tread * np.clip(2.0 - 2.0 * np.abs(z - grain.z) / grain.width, 0.0, 1.0)
        band = band * (0.7 + 0.3 * np.sin(5 * theta + 60 * z + p[3]))
        _lay(marks, 0.6 * band * np.clip(ripple, 0.0, 1.0), (0.008, 0.008, 0.008), 0.7)
        _lay(marks, 0.4 * band * np.clip(-ripple, 0.0, 1.0), (0.1, 0.1, 0.098), 0.7)
    for chunk in damage.chunks:
        rho, rough = _torn(chunk, theta, z, radius)
        _lay(marks, tread * (rho < 1.12) * (rho >= 0.9), (0.07, 0.07, 0.068), 0.8)
        grey = 0.012 + 0.012 * np.clip(rough + 0.4, 0.0, 1.0)
        _lay(marks, tread * (rho < 0.9), np.repeat(grey[:, None], 3, axis=1), 1.0)
    for patch in damage.blisters:
        near = np.flatnonzero(tread)
        near = near[_on_patch(patch, theta[near], z[near], radius)]
        pit = np.zeros(len(z), np.float32)
        for angle, across, size, _ in patch.pits(radius):
            off = np.hypot(wrapped(theta[near] - angle) * radius, z[near] - across) / size
            pit[near] = np.maximum(pit[near], np.clip(3.0 * (1.15 - off), 0.0, 1.0))
        _lay(marks, pit, (0.006, 0.006, 0.006), 1.0)
    for cut in damage.cuts:
        a, b = _along(cut, theta, r)
        rng = np.random.default_rng(cut.seed)
        p = rng.uniform(0, 2 * math.pi, 3)
        b = b + 0.25 * np.sin(5 * a + p[0]) + 0.12 * np.sin(17 * a + p[1])
        open_ = np.sqrt(np.clip(1.0 - a * a, 0.0, 1.0)) * (0.85 + 0.15 * np.sin(23 * a + p[2]))
        here = wall & (np.sign(z) == cut.face) & (np.abs(a) < 1.0)
        lips = here & (np.abs(b) < open_ + 0.35) & (np.abs(b) >= open_)
        _lay(marks, lips * np.float32(0.7), (0.085, 0.083, 0.08), 0.6)
        _lay(marks, here & (np.abs(b) < open_), (0.004, 0.004, 0.004), 1.0)
    return marks


def _lay(
    marks: Marks,
    share: NDArray[np.generic],
    paint: tuple[float, float, float] | FloatArray,
    matt: float,
) -> None:
    """Lay a colour over those that are there."""
    a = np.asarray(share, dtype=np.float32)
    here = np.flatnonzero(a > 0)
    a = a[here]
    colour = np.asarray(paint, dtype=np.float32)
    colour = colour[here] if colour.ndim == 2 else colour
    cover = marks.cover[here]
    total = a + cover * (1 - a)
    marks.paint[here] = (
        a[:, None] * colour + (cover * (1 - a))[:, None] * marks.paint[here]
    ) / total[:, None]
    marks.cover[here] = total
    marks.matt[here] = np.maximum(marks.matt[here], a * np.float32(matt))


def _along(mark: SidewallCut | Scuff, theta: FloatArray, r: FloatArray) -> tuple[FloatArray, ...]:
    """Positions along and across a mark in its half lengths and half widths."""
    u, v = wrapped(theta - mark.angle) * mark.radius, r - mark.radius
    c, s = math.cos(mark.direction), math.sin(mark.direction)
    return (u * c + v * s) / mark.length, (v * c - u * s) / mark.width


def _on_patch(patch: Blisters, theta: FloatArray, z: FloatArray, radius: float) -> BoolArray:
    """Which points may lie in a pit of a patch."""
    reach = 1.2 * patch.radius
    near = np.abs(wrapped(theta - patch.angle)) * radius < patch.length + reach
    return np.asarray(near & (np.abs(z - patch.z) < patch.width + reach))


def _torn(
    chunk: Chunk, theta: FloatArray, z: FloatArray, radius: float
) -> tuple[FloatArray, FloatArray]:
    """Distance from a chunk's middle, 1 at its ragged edge, and the roughness of its floor."""
    p = np.random.default_rng(chunk.seed).uniform(0, 2 * math.pi, 4)
    a = wrapped(theta - chunk.angle) * radius / chunk.length
    b = (z - chunk.z) / chunk.width
    turn = np.arctan2(b, a)
    ragged = 1.0 - 0.12 * (np.sin(3 * turn + p[0]) + 0.6 * np.sin(7 * turn + p[1])) / 1.6
    # A square torn out with rounded corners fits blocks better than an ellipse.
    rho = (a**4 + b**4) ** 0.25 / ragged
    rough = 0.5 * (np.sin(9 * a + p[2]) + np.sin(7 * b + 4 * a + p[3]))
    return np.asarray(rho), np.asarray(rough)


def wrapped(angle: FloatArray) -> FloatArray:
    """Angles in radians, of any shape, moved by whole turns to -pi to pi.

    As :func:`tasks.geometry.angles.wrapped`, rounded otherwise: every tyre stays as it was, byte by
    byte.
    """
    return np.asarray(angle - 2 * math.pi * np.round(angle / (2 * math.pi)))
