"""Wheels of no known kind: random turned faces with random repeated parts; and wide open ones.

The bundled network does not know them, as it does not know wheels that others modelled: what it
says of them is wrong, and whoever is trained on them learns to believe the photos instead.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np

from tasks.synthetic.tyres.profile import FloatArray, Section
from tasks.synthetic.tyres.rim import barrel, lip_plane
from tasks.synthetic.tyres.shapes import Body, Lathe, Prisms, Spokes
from tasks.synthetic.tyres.spec import LookSpec, Part, ProfileSpec, RimSpec
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec

Rng = np.random.Generator

FILLED = 0.3
"""Share of wheels that are one body without a hollow."""


def build_varied_tyre(seed: int, rng: Rng, detail: float) -> Tyre:
    """The tyre of a seed on a wheel of its own, a wide open one, or one of no known kind.

    Args:
        seed: Seed of the tyre.
        rng: Source of the wheel.
        detail: As of a tyre's mesh.
    """
    spec = sample_spec(seed)
    kind = rng.random()
    if spec.rim is None or kind < 0.3:
        return build_tyre(spec, detail=detail)
    if kind < 0.65:
        rim = open_rim(rng, spec.rim, spec.profile)
        look = spec.look if rng.random() < 0.4 else replace(spec.look, rim=spec.look.face)
        return build_tyre(replace(spec, rim=rim, look=look), detail=detail)
    return build_tyre(
        replace(spec, look=random_look(spec.look, rng)),
        detail=detail,
        rim=functools.partial(build_random_wheel, rng),
    )


def open_rim(rng: Rng, spec: RimSpec, profile: ProfileSpec) -> RimSpec:
    """The wheel with thin spokes at any depth and nothing behind them.

    One sees the barrel's inside and, beside it, what stands behind the wheel.
    """
    radius, half = profile.rim_diameter / 2, profile.width / 2
    hub = float(rng.uniform(0.14, 0.32)) * radius
    spokes = int(rng.choice([3, 4, 5, 5, 6, 6, 7, 8, 9, 10, 12, 15]))
    room = 2 * math.pi * (hub + 0.55 * (radius - hub)) / spokes
    kind = str(rng.choice(["straight", "twisted", "split", "double"], p=[0.5, 0.2, 0.15, 0.15]))
    edge = float(rng.uniform(0.012, max(0.013, 0.9 * half)))
    thickness = float(rng.uniform(0.010, 0.030))
    return replace(
        spec,
        kind=kind,
        spokes=spokes,
        spoke_width=float(np.clip(rng.uniform(0.08, 0.35) * room, 0.010, 0.07)),
        twist=float(rng.normal(0.0, 0.4)) if kind == "twisted" else 0.0,
        edge_depth=edge,
        hub_depth=float(np.clip(edge + rng.normal(0.01, 0.03), 0.002, 1.3 * half)),
        thickness=thickness,
        hub_thickness=thickness + float(rng.uniform(0.002, 0.03)),
        hub_radius=hub,
        rivets=0,
        back="open",
    )


def build_random_wheel(rng: Rng, spec: RimSpec, section: Section) -> list[Body]:
    """A random wheel that carries the tyre.

    Args:
        rng: Source of all choices.
        spec: Specification of the barrel.
        section: The tyre's outer contour; the outer face is at +z.
    """
    z_lip = lip_plane(spec, section)
    bodies: list[Body] = [barrel(spec, section, z_lip)]
    if rng.random() < FILLED:
        return [*bodies, *_filled(rng, section, z_lip)]
    radius = section.bead_radius - 0.002
    faces = int(rng.choice([1, 1, 1, 2]))
    for number in range(faces):
        side = 1.0 if number == 0 else -1.0
        r, front = _turned_face(rng, radius, z_lip)
        thick = rng.uniform(0.005, 0.05) * np.ones(len(r))
        if rng.random() < 0.5:
            thick += rng.uniform(0.0, 0.06) * (1 - r / radius)
        back = _behind(r, front, thick)
        if side < 0:
            front, back = np.maximum(-back, -z_lip), np.maximum(-front, -z_lip)
            front = np.maximum(front, back + 0.003)
        bodies += _cut(rng, r, front, back, solid=number > 0 or rng.random() < 0.35)
    for _ in range(int(rng.integers(0, 3))):
        bodies.append(_ring_of_studs(rng, radius, z_lip))
    return bodies


def random_look(look: LookSpec, rng: Rng) -> LookSpec:
    """Colours of no known kind, often without any noise for photos to agree on."""
    face, rim = rng.uniform(0.0, 1.0, (2, 1)) ** 1.5 * rng.uniform(0.7, 1.0, (2, 3))
    return replace(
        look,
        face=tuple(np.maximum(face, 0.02)),
        rim=tuple(np.maximum(rim, 0.02)),
        dirt=float(rng.choice([0.0, look.dirt])),
        mottle=float(rng.choice([0.0, 0.05, 0.3])),
    )


def _filled(rng: Rng, section: Section, z_lip: float) -> list[Body]:
    """A body without a hollow, as of solid wheels and toys; sometimes level with the sidewalls."""
    radius = section.bead_radius - 0.002
    r, front = _shallow_face(rng, radius, z_lip)
    other, back = _shallow_face(rng, radius, z_lip)
    points = np.concatenate([np.stack([r, front], 1), np.stack([other, -back], 1)[::-1]])
    bodies: list[Body] = [Lathe(points, Part(rng.choice([Part.SPOKE, Part.COVER, Part.RIM])))]
    for side in (1.0, -1.0):
        if rng.random() < 0.35:  # a flat disc over the sidewall
            edge = rng.uniform(0.85, 1.15) * section.belly_radius
            level = section.half_width + rng.uniform(-0.004, 0.004)
            hole = 0.0 if rng.random() < 0.7 else rng.uniform(0.3, 0.7) * radius
            disc = np.array(
                [(hole, level), (edge, level), (edge, 0.5 * level), (hole, 0.5 * level)]
            )
            part = Part(rng.choice([Part.SIDEWALL, Part.SIDEWALL, Part.COVER, Part.RIM]))
            bodies.append(
                Lathe(disc * [1.0, side] if side > 0 else (disc * [1.0, side])[::-1], part)
            )
    return bodies


def _shallow_face(rng: Rng, radius: float, z_lip: float) -> tuple[FloatArray, FloatArray]:
    """Radii and heights of a face that is flat, or nearly: a level, seldom with a step in it."""
    level = z_lip - float(rng.choice([0.0, rng.uniform(0.0, 0.05), rng.uniform(0.0, 0.6) * z_lip]))
    knots, z = [0.0, radius], [level, level]
    if rng.random() < 0.5:
        edge = rng.uniform(0.15, 0.85) * radius
        inner = level + (rng.normal(0.0, 0.02) if rng.random() < 0.7 else rng.normal(0.0, 0.06))
        knots, z = (
            [0.0, edge, edge + rng.uniform(0.001, 0.03), radius],
            [inner, inner, level, level],
        )
    if rng.random() < 0.3:  # a cone or a bulge
        z[0] += rng.normal(0.0, 0.03)
    fine = np.unique(np.concatenate([np.minimum(knots, radius), np.linspace(0.0, radius, 30)]))
    height = np.interp(fine, knots, z)
    return fine, np.maximum(np.minimum(height, z_lip + 0.02), 0.02)


def _turned_face(rng: Rng, radius: float, z_lip: float) -> tuple[FloatArray, FloatArray]:
    """Radii from 0 to ``radius`` and the front's z there: flats, cones and steps."""
    edges = np.sort(rng.uniform(0.08, 0.95, int(rng.integers(1, 5)))) * radius
    r, z = [0.0], [z_lip - rng.uniform(-0.03, 0.75) * z_lip]
    for edge in [*edges, radius]:
        kind = rng.random()
        slope = 0.0 if kind < 0.5 else rng.normal(0.0, 0.5)
        r.append(float(edge))
        z.append(z[-1] + slope * (edge - r[-2]))
        if rng.random() < 0.5 and edge < radius:
            r.append(float(edge) + rng.uniform(0.001, 0.012))
            z.append(z[-1] + rng.normal(0.0, 0.03))
    knots = np.array(r)
    height = np.clip(np.array(z), -0.8 * z_lip, z_lip + 0.02)
    height[knots > 0.9 * radius] = np.minimum(height[knots > 0.9 * radius], z_lip - 0.004)
    knots = np.minimum(np.maximum.accumulate(knots + 1e-6 * np.arange(len(knots))), radius)
    fine = np.unique(np.concatenate([knots, np.linspace(0.0, radius, 60)]))
    return fine, np.interp(fine, knots, height)


def _behind(r: FloatArray, front: FloatArray, thick: FloatArray) -> FloatArray:
    """The back of a face whose walls are as thick at steps as they are elsewhere."""
    near = np.abs(r[:, None] - r) <= 0.8 * thick[:, None]
    return np.asarray(np.where(near, front, np.inf).min(axis=1) - thick)


def _cut(
    rng: Rng, r: FloatArray, front: FloatArray, back: FloatArray, *, solid: bool
) -> list[Body]:
    """The face, whole or with a ring of windows or spokes in it."""

    def ring(a: float, b: float) -> Body:
        at = np.unique(np.concatenate([r[(r > a) & (r < b)], [a, b]]))
        f, g = np.interp(at, r, front), np.interp(at, r, back)
        points = np.concatenate([np.stack([at, f], 1), np.stack([at, g], 1)[::-1]])
        return Lathe(points, Part.SPOKE)

    if solid:
        hole = 0.0 if rng.random() < 0.6 else rng.uniform(0.05, 0.4) * r[-1]
        return [ring(float(hole), float(r[-1]))]
    inner = rng.uniform(0.15, 0.55) * r[-1]
    outer = rng.uniform(inner / r[-1] + 0.25, 1.0) * r[-1]
    count = int(rng.choice([2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 12, 14, 16]))
    at = np.linspace(inner - 0.002, outer, 15)
    s = (at - inner) / (outer - inner)
    pitch = 2 * math.pi / count
    share = rng.uniform(0.15, 0.75) + rng.uniform(-0.3, 0.3) * s
    if rng.random() < 0.4:
        share = share + rng.uniform(-0.3, 0.3) * np.sin(math.pi * s)
    half = np.clip(share, 0.08, 0.9) * 0.5 * pitch * at
    half = np.minimum(np.maximum(half, 0.004), 0.49 * pitch * at)
    lean = rng.normal(0.0, 0.3) * s if rng.random() < 0.4 else 0.0 * s
    bodies: list[Body] = [ring(0.0, float(inner))]
    if outer < 0.985 * r[-1]:
        bodies.append(ring(float(outer) - 0.001, float(r[-1])))
    zf, zb = np.interp(at, r, front), np.interp(at, r, back)
    bevel = float(rng.uniform(0.0, 0.008))
    args = (at, lean, half, zf, zb, bevel, 0.6 if bevel > 0.001 else 1.0, Part.SPOKE)
    return [*bodies, Spokes(count, float(rng.uniform(0, pitch)), *args)]


def _ring_of_studs(rng: Rng, radius: float, z_lip: float) -> Body:
    size = rng.uniform(0.006, 0.02)
    z = z_lip - rng.uniform(0.0, 0.5) * z_lip
    return Prisms(
        int(rng.integers(3, 13)),
        float(rng.uniform(0, 1)),
        float(rng.uniform(0.15, 0.9) * radius),
        int(rng.choice([4, 6, 16])),
        (size, 0.9 * size),
        z - rng.uniform(0.01, 0.08),
        z + rng.uniform(0.0, 0.02),
        Part.BOLT,
    )
