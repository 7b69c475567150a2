"""What stands round a tyre that people film: stands, trolleys, buckets, hands, people, tyres.

All in the world's frame: metres, +Y up, the floor is y = 0, the tyre's axle runs along z and the
tyre's lowest point is near the origin, unless a function says otherwise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tasks.geometry.camera import FloatArray
from tasks.geometry.sphere import tangents
from tasks.synthetic.scenes import textures
from tasks.synthetic.scenes.solids import (
    MipMap,
    Solid,
    Surface,
    beam,
    box,
    joined,
    sheet,
    tube,
    turned,
)

Rng = np.random.Generator

_VARIANTS = 10
"""Textures of a kind: each is made once in a process."""

_MAKERS: dict[str, Callable[[Rng], textures.Texture]] = {
    "wood": textures.wood,
    "fabric": textures.fabric,
    "metal": textures.metal,
    "crate": textures.crate,
    "tread": textures.tread,
    "panorama": textures.panorama,
    "plain": lambda rng: textures.plain(rng, 128, 205),
    "wall": lambda rng: textures.wall(rng, 384, 1024),
    "facade": lambda rng: textures.facade(rng, 384, 1024),
    "disc": lambda rng: textures.disc(rng, 256),
    **{kind: functools.partial(textures.floor, kind=kind, side=768) for kind in textures.FLOORS},
}

SKINS = ((0.55, 0.33, 0.23), (0.42, 0.23, 0.14), (0.25, 0.13, 0.08), (0.1, 0.055, 0.035))
GLOVES = ((0.02, 0.02, 0.02), (0.05, 0.12, 0.4), (0.6, 0.2, 0.03), (0.5, 0.5, 0.48))


@functools.lru_cache(maxsize=256)
def texture(kind: str, variant: int) -> MipMap:
    """One of the textures of a kind; the same in every process."""
    rng = np.random.default_rng([list(_MAKERS).index(kind), variant])
    return MipMap(_MAKERS[kind](rng))


def surface(
    rng: Rng,
    kind: str,
    repeat: tuple[float, float] = (1.0, 1.0),
    *,
    albedo: tuple[float, float, float] | None = None,
    specular: float = 0.04,
    roughness: float | None = None,
) -> Surface:
    """A surface with a random texture of a kind."""
    return Surface(
        albedo=albedo or (1.0, 1.0, 1.0),
        texture=texture(kind, int(rng.integers(_VARIANTS))),
        repeat=repeat,
        specular=specular,
        roughness=float(rng.uniform(0.5, 0.95)) if roughness is None else roughness,
    )


def paint(rng: Rng) -> Surface:
    """A plain colour, matt to glossy."""
    level = float(rng.uniform(0.02, 0.7))
    colour = level * (1 + rng.normal(0, 0.6, 3).clip(-0.95, 1.5))
    r, g, b = (float(c) for c in np.clip(colour, 0.005, 0.85))
    return Surface((r, g, b), None, (1.0, 1.0), 0.04, float(rng.uniform(0.15, 0.9)))


def timber(rng: Rng) -> Surface:
    """Wood."""
    return surface(rng, "wood", (float(rng.uniform(0.15, 0.6)),) * 2)


def steel(rng: Rng) -> Surface:
    """Painted, bright or rusty steel."""
    return surface(rng, "metal", (0.5, 0.5), specular=0.2, roughness=float(rng.uniform(0.3, 0.8)))


def _v(x: float, y: float, z: float) -> FloatArray:
    return np.array([x, y, z], dtype=np.float64)


def cradle(rng: Rng, diameter: float, width: float, height: float) -> list[Solid]:
    """A trestle of two rails on legs, in which the tyre lies with its lowest point at a height."""
    look = timber(rng) if rng.random() < 0.75 else steel(rng)
    angle = math.radians(rng.uniform(18, 40))
    thick = rng.uniform(0.04, 0.1)
    reach = (diameter / 2 + thick / 2) * math.sin(angle)
    top = height + diameter / 2 - (diameter / 2 + thick / 2) * math.cos(angle)
    half = width / 2 + rng.uniform(-0.1 * width, 0.25)
    splay = rng.uniform(0.0, 0.25)
    parts = []
    for side in (-1.0, 1.0):
        a, b = _v(side * reach, top, -half), _v(side * reach, top, half)
        parts.append(beam(a, b, (thick, thick * rng.uniform(0.8, 1.6)), look))
        for end in (-1.0, 1.0):
            z = end * half * rng.uniform(0.75, 0.98)
            foot = _v(side * (reach + splay), 0, z * (1 + splay))
            parts.append(beam(_v(side * reach, top, z), foot, (thick, thick), look))
    for end in (-1.0, 1.0):
        y, z = max(0.4 * top, 0.05), end * half * 0.95
        parts.append(beam(_v(-reach, y, z), _v(reach, y, z), (0.6 * thick, thick), look))
    if rng.random() < 0.35:  # a back rest
        z = -width / 2 - thick
        for side in (-1.0, 1.0):
            x = side * rng.uniform(0.1, 0.35) * diameter
            y = height + diameter * rng.uniform(0.5, 1.1)
            parts.append(beam(_v(x, 0, z), _v(x, y, z), (thick, thick), look))
    return [joined(parts)]


def block_stand(rng: Rng, diameter: float, width: float, height: float) -> list[Solid]:
    """A table, a crate or a pile of boards whose top is at a height; wedges keep the tyre."""
    look = surface(rng, "crate", (0.6, 0.6)) if rng.random() < 0.4 else timber(rng)
    size = _v(diameter * rng.uniform(0.5, 1.4), 0, width + rng.uniform(-0.05, 0.5))
    if rng.random() < 0.4:
        board = 0.04
        parts = [box(_v(0, height - board / 2, 0), size + _v(0, board, 0), look)]
        for x in (-1.0, 1.0):
            for z in (-1.0, 1.0):
                at = _v(x * 0.45 * size[0], height - board, z * 0.45 * size[2])
                parts.append(beam(at, at * _v(1, 0, 1), (0.05, 0.05), look))
        solids = [joined(parts)]
    else:
        solids = [box(_v(0, height / 2, 0), size + _v(0, height, 0), look)]
    if rng.random() < 0.7:
        solids += chocks(rng, diameter, width, height)
    return solids


def chocks(rng: Rng, diameter: float, width: float, height: float = 0.0) -> list[Solid]:
    """Blocks before and behind the tyre on a floor of a height."""
    look = timber(rng) if rng.random() < 0.6 else paint(rng)
    side = rng.uniform(0.05, 0.14)
    x = math.sqrt(max((diameter / 2) ** 2 - (diameter / 2 - side) ** 2, 0.0)) + 0.4 * side
    size = _v(side, side, width * rng.uniform(0.3, 1.1))
    return [joined([box(_v(sign * x, height + side / 2, 0), size, look) for sign in (-1.0, 1.0)])]


def axle_stand(rng: Rng, diameter: float, width: float, height: float, hub: float) -> list[Solid]:
    """A bar through the wheel, carried by posts on one or both sides.

    Args:
        rng: Source of randomness.
        diameter: The tyre's outer diameter, metres.
        width: The tyre's width, metres.
        height: Where the tyre's lowest point is, metres.
        hub: How far above the tyre's centre the bar runs: a bare tyre hangs on it.
    """
    look = steel(rng) if rng.random() < 0.6 else timber(rng)
    y = height + diameter / 2 + hub
    radius = rng.uniform(0.012, 0.035)
    front = width / 2 + rng.uniform(0.0, 0.15)
    back = -width / 2 - rng.uniform(0.06, 0.3)
    both = rng.random() < 0.45
    solids = [tube(_v(0, y, back), _v(0, y, front), (radius, radius), steel(rng))]
    for z in (back, front) if both else (back,):
        if rng.random() < 0.5:
            post = [beam(_v(0, 0, z), _v(0, y + 0.05, z), (0.07, 0.07), look)]
            post.append(box(_v(0, 0.03, z), _v(rng.uniform(0.4, 0.9), 0.06, 0.1), look))
            post.append(box(_v(0, 0.03, z + 0.1), _v(0.1, 0.06, rng.uniform(0.3, 0.7)), look))
        else:  # an A
            half_width = rng.uniform(0.2, 0.45)
            post = [
                beam(_v(0, y, z), _v(side * half_width, 0, z), (0.05, 0.05), look)
                for side in (-1.0, 1.0)
            ]
        solids.append(joined(post))
    return solids


def rollers(rng: Rng, diameter: float, width: float, height: float) -> list[Solid]:
    """Two rollers on which a wheel turns, in a frame."""
    angle, radius = math.radians(rng.uniform(22, 38)), rng.uniform(0.025, 0.06)
    reach = (diameter / 2 + radius) * math.sin(angle)
    y = height + diameter / 2 - (diameter / 2 + radius) * math.cos(angle)
    half, look = width * rng.uniform(0.5, 0.8), steel(rng)
    solids = [
        tube(_v(s * reach, y, -half), _v(s * reach, y, half), (radius, radius), look)
        for s in (-1.0, 1.0)
    ]
    frame = [
        beam(_v(-reach - 0.1, y, z), _v(reach + 0.1, y, z), (0.06, 0.05), look)
        for z in (-half, half)
    ]
    frame += [
        beam(_v(s * (reach + 0.05), y, z), _v(s * (reach + 0.08), 0, z), (0.05, 0.05), look)
        for s in (-1.0, 1.0)
        for z in (-half, half)
    ]
    return [*solids, joined(frame)]


def plate(rng: Rng, radius: float, height: float) -> Solid:
    """A turntable about +Y whose top is at a height."""
    profile = np.array([[radius, 0.0], [radius, height], [radius * 0.5, height], [0.0, height]])
    profile = np.concatenate(
        [profile[:1], profile[1:2], [[radius * s, height] for s in np.linspace(1, 0, 10)]]
    )
    kind = str(rng.choice(["wood", "metal", "plain", "concrete"]))
    look = surface(rng, kind, (0.7, 0.7), roughness=float(rng.uniform(0.2, 0.9)))
    up = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])  # +Z to +Y
    return turned(profile, look, sides=40).moved(up, np.zeros(3))


def trolley(rng: Rng, diameter: float, width: float, height: float) -> list[Solid]:
    """A platform on castors with a handle, its top at a height."""
    look = steel(rng)
    length, broad = diameter * rng.uniform(1.0, 1.6), max(width * 1.3, rng.uniform(0.4, 0.7))
    deck = min(0.06, height / 2)
    solids = [box(_v(0, height - deck / 2, 0), _v(length, deck, broad), look)]
    radius = max(height - deck, 0.05) / 2
    for x in (-0.42, 0.42):
        for z in (-0.42, 0.42):
            at = _v(x * length, radius, z * broad)
            solids.append(
                tube(at - _v(0, 0, 0.02), at + _v(0, 0, 0.02), (radius, radius), paint(rng))
            )
    end = rng.choice([-0.5, 0.5]) * length
    bar, top = steel(rng), height + rng.uniform(0.5, 1.0)
    ends = [_v(end, height, z * broad) for z in (-0.45, 0.45)]
    tops = [_v(end * 1.1, top, z * broad) for z in (-0.45, 0.45)]
    solids += [tube(a, b, (0.015, 0.015), bar) for a, b in [*zip(ends, tops, strict=True)]]
    solids.append(tube(tops[0], tops[1], (0.015, 0.015), bar))
    return solids


def forks(rng: Rng, diameter: float, height: float) -> list[Solid]:
    """The forks and the mast of a lift truck, forks' tops at a height, mast behind (-z)."""
    look, mast = steel(rng), steel(rng)
    solids = []
    for x in (-1.0, 1.0):
        at = x * diameter * rng.uniform(0.15, 0.3)
        solids.append(box(_v(at, height - 0.02, 0.0), _v(0.1, 0.04, 1.1), look))
        solids.append(box(_v(at, height + 0.25, -0.56), _v(0.1, 0.55, 0.04), look))
        solids.append(box(_v(x * 0.3, 1.0, -0.7), _v(0.09, 2.0, 0.12), mast))
    solids.append(box(_v(0, height + 0.3, -0.62), _v(0.9, 0.1, 0.05), mast))
    if rng.random() < 0.6:
        solids.append(box(_v(0, 0.6, -1.2), _v(0.95, 0.9, 0.8), paint(rng)))
    return solids


def bucket(rng: Rng, at: FloatArray) -> list[Solid]:
    """A bucket on the floor at ``at`` ``(3,)``."""
    r, h = rng.uniform(0.1, 0.17), rng.uniform(0.22, 0.38)
    look = paint(rng)
    outer = np.array([[0.0, 0.0], [0.8 * r, 0.0], [0.9 * r, h / 2], [r, h], [r + 0.008, h]])
    inner = np.array([[r - 0.006, h], [0.79 * r, 0.01], [0.0, 0.01]])
    up = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    body = turned(np.concatenate([outer, inner]), look)
    return [body.moved(up, at)]


def crates(rng: Rng, at: FloatArray) -> list[Solid]:
    """One or two boxes on the floor."""
    size = rng.uniform([0.2, 0.15, 0.2], [0.8, 0.8, 0.7])
    turn = yawed(rng.uniform(0, math.pi))
    solids = []
    for _ in range(int(rng.integers(1, 3))):
        look = surface(rng, "crate", (float(size[0]), float(size[0])))
        solids.append(box(at + _v(0, size[1] / 2, 0), size, look, turn))
        at = at + _v(0, size[1], 0)
        size = size * rng.uniform(0.5, 0.9, 3)
    return solids


def cone(rng: Rng, at: FloatArray) -> list[Solid]:
    """A traffic cone."""
    h, look = rng.uniform(0.3, 0.75), Surface((0.75, 0.13, 0.02), None, roughness=0.5)
    foot = box(at + _v(0, 0.015, 0), _v(0.55 * h, 0.03, 0.55 * h), look)
    body = tube(at, at + _v(0, h, 0), (0.2 * h, 0.03), look)
    band = tube(at + _v(0, 0.45 * h, 0), at + _v(0, 0.65 * h, 0), (0.127 * h, 0.095 * h), WHITE)
    return [foot, body, band]


WHITE = Surface((0.75, 0.75, 0.73), None, roughness=0.6)


def post(rng: Rng, at: FloatArray, height: float) -> list[Solid]:
    """An upright, square or round."""
    thick = rng.uniform(0.05, 0.2)
    if rng.random() < 0.6:
        return [beam(at, at + _v(0, height, 0), (thick, thick), timber(rng))]
    return [tube(at, at + _v(0, height, 0), (thick / 2, thick / 2), steel(rng))]


def hose(rng: Rng, at: FloatArray) -> list[Solid]:
    """A cable or hose that lies on the floor: thin, dark, curved."""
    radius = float(rng.uniform(0.006, 0.02))
    angle = np.cumsum(rng.normal(0, 0.5, 12)) + rng.uniform(0, 6)
    steps = np.stack([np.cos(angle), np.zeros(12), np.sin(angle)], axis=1) * 0.16
    path = at + _v(0, radius, 0) + np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2
    look = paint(rng) if rng.random() < 0.5 else Surface((0.02, 0.02, 0.02), None)
    pieces = [
        tube(a, b, (radius, radius), look, sides=7, round_ends=True) for a, b in pairwise(path)
    ]
    return [joined(pieces)]


def plain_tyre(rng: Rng, diameter: float, width: float) -> list[Solid]:
    """A tyre of few triangles about +Z at the origin, for racks and stacks; sometimes rimmed."""
    r, h = diameter / 2, width / 2
    bead = r * rng.uniform(0.5, 0.72)
    shoulder = rng.uniform(0.05, 0.2) * (r - bead)
    outside = [
        [bead, -0.7 * h], [bead + 0.25 * (r - bead), -0.97 * h], [0.5 * (r + bead), -h],
        [r - shoulder, -0.88 * h], [r, -0.7 * h], [r * 1.004, 0.0], [r, 0.7 * h],
        [r - shoulder, 0.88 * h], [0.5 * (r + bead), h], [bead + 0.25 * (r - bead), 0.97 * h],
        [bead, 0.7 * h], [0.9 * r, 0.6 * h], [0.9 * r, -0.6 * h], [bead, -0.7 * h],
    ]  # fmt: skip
    dark = float(rng.uniform(0.7, 1.3))
    look = surface(rng, "tread", (0.3, 0.3), albedo=(dark,) * 3, roughness=0.7)
    solids = [turned(np.array(outside), look, sides=36)]
    if rng.random() < 0.4:
        deep = rng.uniform(0.1, 0.7) * h
        metal = steel(rng)
        solids.append(turned(np.array([[bead, deep], [0.0, deep * 1.05]]), metal))
        solids.append(turned(np.array([[0.0, -deep], [bead, -deep]]), metal))
    return solids


def stack(rng: Rng, at: FloatArray, diameter: float, count: int) -> list[Solid]:
    """Plain tyres lying on each other from ``at`` ``(3,)`` upwards."""
    up = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    solids, height = [], 0.0
    width = rng.uniform(0.16, 0.32)
    one = plain_tyre(rng, diameter, width)
    for _ in range(count):
        shift = at + _v(rng.normal(0, 0.02), height + width / 2, rng.normal(0, 0.02))
        solids += [s.moved(up, shift) for s in one]
        height += width * 0.97
    return solids


def rack(rng: Rng, distance: float, yaw: float) -> list[Solid]:
    """Shelves of tyres standing side by side, ``distance`` from the origin towards ``yaw``."""
    diameter, width = rng.uniform(0.55, 0.75), rng.uniform(0.16, 0.28)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(4, 10))
    frame, upright = steel(rng), []
    along = yawed(yaw) @ _v(1, 0, 0)
    ahead = yawed(yaw) @ _v(0, 0, 1)
    # axles along the shelf, or towards the viewer
    sideways = rng.random() < 0.6
    turn = yawed(yaw + (math.pi / 2 if sideways else 0.0))
    pitch = (width if sideways else diameter) * rng.uniform(1.0, 1.1)
    variants = [plain_tyre(rng, diameter, width) for _ in range(2)]
    solids = []
    for row in range(rows):
        low = 0.12 + row * (diameter + 0.1)
        for column in range(columns):
            if rng.random() < 0.1:
                continue
            x = (column - (columns - 1) / 2) * pitch
            centre = ahead * (distance + diameter / 2) + along * x + _v(0, low + diameter / 2, 0)
            solids += [s.moved(turn, centre) for s in variants[int(rng.integers(2))]]
        half = columns * pitch / 2 + 0.1
        for z in (0.15, 0.85):
            mid = ahead * (distance + z * diameter) + _v(0, low - 0.02, 0)
            upright.append(beam(mid - along * half, mid + along * half, (0.05, 0.04), frame))
    top = rows * (diameter + 0.1)
    for x in (-1.0, 1.0):
        foot = ahead * (distance - 0.05) + along * x * (columns * pitch / 2 + 0.1)
        upright.append(beam(foot, foot + _v(0, top + 0.2, 0), (0.06, 0.06), frame))
    return [*solids, joined(upright)]


def person(rng: Rng, at: FloatArray, yaw: float, step: float) -> list[Solid]:
    """A walking figure.

    Args:
        rng: Source of randomness.
        at: ``(3,)`` where it is on the floor.
        yaw: Where it faces, radians about +Y from +z.
        step: How far its legs are apart, -1 to 1.
    """
    size = rng.uniform(0.92, 1.08)
    trousers, shirt = (surface(rng, "fabric", (0.6, 0.6), roughness=0.9) for _ in range(2))
    skin = Surface(SKINS[int(rng.integers(len(SKINS)))], None, roughness=0.5)
    shoe, hair = paint(rng), paint(rng)
    solids = []
    for side in (-1.0, 1.0):
        swing = 0.28 * step * side
        hip, knee = _v(side * 0.1, 0.9, 0), _v(side * 0.1, 0.48, swing * 0.6 + 0.04)
        foot = _v(side * 0.1, 0.07, swing)
        solids.append(tube(hip, knee, (0.095, 0.07), trousers, round_ends=True))
        solids.append(tube(knee, foot, (0.068, 0.05), trousers, round_ends=True))
        solids.append(tube(foot, foot + _v(0, -0.02, 0.15), (0.05, 0.04), shoe, round_ends=True))
        shoulder, elbow = _v(side * 0.22, 1.42, 0), _v(side * 0.27, 1.15, -swing * 0.5)
        hand = elbow + _v(0, -0.2, 0.1 - swing * 0.4)
        solids.append(tube(shoulder, elbow, (0.06, 0.05), shirt, round_ends=True))
        solids.append(tube(elbow, hand, (0.045, 0.035), skin, round_ends=True))
    solids.append(tube(_v(0, 0.95, 0), _v(0, 1.38, 0), (0.15, 0.18), shirt, round_ends=True))
    solids.append(tube(_v(0, 1.45, 0), _v(0, 1.55, 0), (0.06, 0.06), skin))
    solids.append(tube(_v(0, 1.6, 0.01), _v(0, 1.7, 0.01), (0.095, 0.1), skin, round_ends=True))
    solids.append(tube(_v(0, 1.68, -0.02), _v(0, 1.74, -0.02), (0.1, 0.09), hair, round_ends=True))
    turn = yawed(yaw)
    return [s.moved(size * turn, at) for s in solids]


def gripping_arm(rng: Rng, centre: FloatArray, axes: FloatArray, diameter: float, width: float
                 ) -> list[Solid]:  # fmt: skip
    """A hand that holds a tyre at its shoulder, or lies on it, with its arm.

    Args:
        rng: Source of randomness.
        centre: ``(3,)`` of the tyre.
        axes: ``(3, 3)`` tyre frame to world.
        diameter: The tyre's outer diameter, metres.
        width: The tyre's width, metres.
    """
    glove = rng.random() < 0.35
    colours = GLOVES if glove else SKINS
    skin = Surface(colours[int(rng.integers(len(colours)))], None, roughness=0.55)
    sleeve = surface(rng, "fabric", (0.4, 0.4), roughness=0.9)
    angle = rng.uniform(0, 2 * math.pi)
    radial = axes @ _v(math.cos(angle), math.sin(angle), 0)
    tangent = axes @ _v(-math.sin(angle), math.cos(angle), 0)
    face = rng.choice([-1.0, 1.0]) * (axes @ _v(0, 0, 1))
    if rng.random() < 0.65:  # round the shoulder: palm on the tread, fingers on the sidewall
        palm = centre + radial * (diameter / 2 + 0.02) + face * width * rng.uniform(0.1, 0.45)
        knuckle = centre + radial * (diameter / 2 + 0.015) + face * (width / 2 + 0.01)
        tip = knuckle - radial * rng.uniform(0.03, 0.08) + face * 0.008
    else:  # flat on the sidewall, or on the rim
        share = rng.uniform(0.1, 0.46) * diameter
        palm = centre + radial * (share + 0.07) + face * (width / 2 + 0.035)
        knuckle = centre + radial * share + face * (width / 2 + 0.015)
        tip = knuckle - radial * 0.07
    solids = []
    fingers, gap = [], rng.uniform(0.019, 0.026)
    for k in range(4):
        shift = tangent * gap * (k - 1.5)
        fingers.append(tube(palm + 0.8 * shift, knuckle + shift, (0.013, 0.01), skin,
                            sides=8, round_ends=True))  # fmt: skip
        fingers.append(tube(knuckle + shift, tip + shift * 1.1, (0.0095, 0.008), skin,
                            sides=8, round_ends=True))  # fmt: skip
    away = radial * rng.uniform(0.3, 1.0) + face * rng.uniform(-0.2, 0.9)
    away = away + tangent * rng.normal(0, 0.5) + _v(0, rng.uniform(-0.2, 0.6), 0)
    away /= np.linalg.norm(away)
    wrist = palm + 0.07 * away
    fingers.append(tube(palm - 0.02 * away, wrist, (0.042, 0.032), skin, round_ends=True))
    thumb = palm + tangent * 0.05 * rng.choice([-1, 1])
    fingers.append(tube(palm, thumb - radial * 0.02, (0.015, 0.012), skin, round_ends=True))
    solids.append(joined(fingers))
    elbow = wrist + rng.uniform(0.2, 0.3) * away
    sleeveless = rng.random() < 0.4
    solids.append(
        tube(wrist, elbow, (0.03, 0.045), skin if sleeveless else sleeve, round_ends=True)
    )
    bend = tangents(away)[int(rng.integers(2))] * rng.uniform(-0.5, 0.5) + away
    far = elbow + 0.35 * bend / np.linalg.norm(bend)
    solids.append(tube(elbow, far, (0.05, 0.065), sleeve, round_ends=True))
    return solids


def car_body(rng: Rng, diameter: float, width: float) -> list[Solid]:
    """A car's side with a wheel arch: the tyre's outer face (+z) shows, darkness behind."""
    look = paint(rng)
    gap = diameter / 2 * rng.uniform(1.06, 1.2)
    y0, z = diameter / 2, width / 2 - rng.uniform(-0.01, 0.06)
    low, high, reach = rng.uniform(0.15, 0.3), rng.uniform(0.75, 1.2), 2.0
    angle = np.linspace(0, 2 * math.pi, 97)
    c, s = np.cos(angle), np.sin(angle)
    with np.errstate(divide="ignore"):
        edge = np.minimum(
            reach / np.abs(c), np.where(s > 0, (high - y0) / s, (low - y0) / np.minimum(s, -1e-9))
        )
    share = np.linspace(0, 1, 6)[:, None]
    r = gap + share * np.maximum(edge - gap, 0.0)
    bulge = -0.1 * share**2
    vertices = np.stack(np.broadcast_arrays(r * c, y0 + r * s, z + bulge), axis=-1).reshape(-1, 3)
    k = len(angle)
    i, j = np.meshgrid(np.arange(5), np.arange(k - 1), indexing="ij")
    a = (i * k + j)[edge[j] > gap + 0.01]
    faces = np.concatenate([np.stack([a, a + k, a + k + 1], 1), np.stack([a, a + k + 1, a + 1], 1)])
    normals = np.broadcast_to(_v(0, 0, 1), vertices.shape)
    panel = Solid(vertices, faces, normals, vertices[:, :2], look)
    dark = Surface((0.012, 0.012, 0.012), None, roughness=0.9)
    well = sheet(_v(-1.5, high, -width), _v(3.0, 0, 0), _v(0, low - high, 0), dark)
    roof = box(_v(0, high + 0.01, z - 0.9), _v(4.0, 0.02, 1.6), look)
    return [panel, well, roof]


def sling(rng: Rng, diameter: float, centre: FloatArray) -> list[Solid]:
    """Straps or a chain on which a tyre hangs."""
    top = centre + _v(0, diameter / 2 + rng.uniform(0.3, 1.5), 0)
    look = surface(rng, "fabric", (0.2, 0.2)) if rng.random() < 0.5 else steel(rng)
    half_width, radius = rng.uniform(0.0, 0.25), rng.uniform(0.006, 0.02)
    low = [centre + _v(x, diameter / 2 * 0.85, 0) for x in (-half_width, half_width)]
    return [joined([tube(a, top, (radius, radius), look, sides=8) for a in low])]


def tape(rng: Rng, diameter: float, width: float, low: float) -> list[Solid]:
    """A measuring tape that hangs before the outer face."""
    x, z = rng.uniform(-0.2, 0.2) * diameter, width / 2 + rng.uniform(0.01, 0.05)
    look = Surface((0.7, 0.55, 0.03), None, roughness=0.4)
    size = _v(0.02, diameter * rng.uniform(0.6, 1.4), 0.002)
    return [box(_v(x, low + size[1] / 2, z), size, look)]


def label(rng: Rng, diameter: float, width: float) -> Solid:
    """A paper label stuck on the tread, in the tyre frame."""
    r = diameter / 2 + 0.003
    at, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.06, 0.2)
    half = width * rng.uniform(0.1, 0.3)
    angle, z = np.meshgrid(np.linspace(-reach, reach, 9) + at, [-half, half], indexing="ij")
    normals = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1).reshape(-1, 3)
    vertices = normals * r + np.stack([0 * angle, 0 * angle, z], axis=-1).reshape(-1, 3)
    uv = np.stack([angle.ravel() * r, z.ravel()], axis=1)
    j = np.arange(8) * 2
    faces = np.concatenate([np.stack([j, j + 2, j + 3], 1), np.stack([j, j + 3, j + 1], 1)])
    return Solid(vertices, faces, normals, uv, surface(rng, "crate", (0.3, 0.3)))


def yawed(angle: float) -> FloatArray:
    """Rotation ``(3, 3)`` about +Y that turns +z towards +x."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
