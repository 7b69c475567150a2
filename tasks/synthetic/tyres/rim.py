"""Wheels: barrel, face (spokes, disc, cover), hub and what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tasks.synthetic.tyres.profile import FloatArray, Section
from tasks.synthetic.tyres.shapes import Body, Lathe, Prisms, Spokes
from tasks.synthetic.tyres.spec import Part, RimSpec

KNOTS = 19

Depth = Callable[[FloatArray], FloatArray]


def lip_plane(spec: RimSpec, section: Section) -> float:
    """Distance of the lips' planes from the middle of the tread."""
    r = np.linspace(section.bead_radius, section.bead_radius + spec.flange, 8)
    return float(section.side(r).max()) + spec.lip


def build_rim(spec: RimSpec, section: Section) -> list[Body]:
    """All bodies of a wheel that carries this tyre.

    Args:
        spec: The wheel.
        section: The tyre's outer contour; the outer face is at +z.
    """
    seat = section.bead_radius
    z_lip = lip_plane(spec, section)
    edge, hub_z = z_lip - spec.edge_depth, z_lip - spec.hub_depth
    bodies: list[Body] = [barrel(spec, section, z_lip)]
    r_hub, r_end = spec.hub_radius, seat - 0.002

    def front(r: FloatArray) -> FloatArray:
        s = np.clip((r - r_hub) / (r_end - r_hub), 0.0, 1.0)
        return np.asarray(hub_z + (edge - hub_z) * s**spec.curve)

    def back(r: FloatArray) -> FloatArray:
        s = np.clip((r - r_hub) / (r_end - r_hub), 0.0, 1.0)
        return np.asarray(front(r) - spec.hub_thickness - (spec.thickness - spec.hub_thickness) * s)

    if spec.kind in ("disc", "holes", "slots"):
        bodies += _disc(spec, r_hub, r_end, front, back)
    else:
        behind = spec.kind == "cover"
        bodies += _spokes(spec, 0.8 * r_hub, r_end, front, back, behind=behind)
        if behind:
            bodies.append(_cover(spec, r_end, edge))
    bodies += _hub(spec, hub_z, float(back(np.array([r_hub]))[0]), z_lip)
    if spec.rivets:
        at = r_end - 0.010
        z = float(front(np.array([at]))[0])
        if spec.kind == "cover":
            z = edge
        bodies.append(
            Prisms(spec.rivets, 0.1, at, 6, (0.005, 0.004), z - 0.004, z + 0.005, Part.BOLT)
        )
    bodies += _behind(spec, seat, float(back(np.linspace(r_hub, r_end, 9)).min()), z_lip)
    return bodies


def barrel(spec: RimSpec, section: Section, z_lip: float) -> Body:
    """The barrel with its two lips at ``z_lip`` and ``-z_lip``."""
    seat = section.bead_radius
    r_flange, r_in = seat + spec.flange, seat - spec.barrel
    r_mouth = seat - 0.004
    z_seat = float(section.side_z[0]) - 0.002
    z_foot = float(section.side(np.array([r_flange]))[0]) - 0.001
    step = min(spec.lip + 0.012, 0.5 * z_lip)
    half = [
        (seat + 0.001, z_seat),
        (r_flange, z_foot),
        (r_flange, z_lip - 0.002),
        (r_flange - 0.002, z_lip),
        (r_mouth + 0.002, z_lip),
        (r_mouth, z_lip - 0.002),
        (r_mouth, z_lip - 0.5 * step),
        (r_in, z_lip - step),
    ]
    well = r_in - spec.drop
    inner = z_lip - step
    middle = [
        (r_in, 0.25 * inner),
        (well, 0.1 * inner),
        (well, -0.3 * inner),
        (r_in, -0.45 * inner),
    ]
    if spec.drop <= 0.0:
        middle = []
    other = [(r, -z) for r, z in reversed(half)]
    return Lathe(np.array(half + middle + other), Part.RIM)


def _spokes(
    spec: RimSpec, r0: float, r1: float, front: Depth, back: Depth, *, behind: bool
) -> list[Body]:
    s = 0.5 - 0.5 * np.cos(np.linspace(0.0, math.pi, KNOTS))  # close where the spokes flare
    r = r0 + (r1 - r0) * s
    pitch = 2 * math.pi / spec.spokes
    taper = spec.spoke_taper**0.5
    half = spec.spoke_width / 2 * (1 / taper + (taper - 1 / taper) * s)
    half = half * (1.0 + 0.5 * np.exp(-s / 0.07) + 0.5 * np.exp(-(1 - s) / 0.06))
    half = np.minimum(half, 0.49 * pitch * r)
    zf, zb = front(r), back(r)
    if behind:
        gap = 0.02
        zf, zb = zf - gap, zb - gap
    kind = "straight" if behind else spec.kind

    def family(turn: FloatArray, width: FloatArray, part: slice = slice(None)) -> Spokes:
        return Spokes(
            spec.spokes,
            0.0,
            r[part],
            turn[part],
            width[part],
            zf[part],
            zb[part],
            spec.chamfer,
            0.55,
            Part.SPOKE,
        )

    twist = spec.twist * s
    if kind == "mesh":
        return [family(spec.twist * s, half), family(-spec.twist * s, half)]
    if kind == "double":
        off = (0.55 * spec.spoke_width + 0.1 * pitch * r1 * s) / r
        return [family(off + twist, 0.6 * half), family(-off + twist, 0.6 * half)]
    if kind == "split":
        fork = KNOTS // 2 - 1
        fork_angle = 0.27 * pitch * np.clip((s - s[fork]) / (1 - s[fork]), 0.0, None)
        arm = np.minimum(0.7 * half, 0.24 * pitch * r)
        return [
            family(twist, half, slice(0, fork + 2)),
            family(twist + fork_angle, arm, slice(fork, None)),
            family(twist - fork_angle, arm, slice(fork, None)),
        ]
    return [family(twist, half)]


def _disc(spec: RimSpec, r0: float, r1: float, front: Depth, back: Depth) -> list[Body]:
    def ring(a: float, b: float) -> Body:
        r = np.linspace(a, b, 10)
        return Lathe(
            np.concatenate([np.stack([r, front(r)], axis=1), np.stack([r, back(r)], axis=1)[::-1]]),
            Part.SPOKE,
        )

    if spec.kind == "disc":
        return [ring(0.8 * r0, r1)]
    pitch = 2 * math.pi / spec.spokes
    if spec.kind == "holes":
        middle = r0 + 0.6 * (r1 - r0)
        hole = min(0.4 * (r1 - r0), 0.5 * pitch * middle) * spec.spoke_width
        a, b = middle - hole, middle + hole
    else:
        a, b = r0 + 0.25 * (r1 - r0), r0 + 0.85 * (r1 - r0)
    c = np.cos(np.linspace(math.pi, 0.0, KNOTS + 2))
    r = (a + b) / 2 + (b - a) / 2 * c
    round_ = np.sqrt(np.maximum(1 - c * c, 0.0))
    if spec.kind == "holes":
        window = hole * round_
    else:
        window = np.minimum(round_ * 1.6, 1.0) * spec.spoke_width * 0.5 * pitch * r
    land = Spokes(
        spec.spokes,
        0.0,
        r,
        spec.twist * (r - a) / (b - a),
        0.5 * pitch * r - window,
        front(r),
        back(r),
        0.0,
        1.0,
        Part.SPOKE,
    )
    return [ring(0.8 * r0, a + 0.001), land, ring(b - 0.001, r1)]


def _cover(spec: RimSpec, r1: float, z: float) -> Body:
    r = np.linspace(max(spec.cover_hole, 0.0), r1, 12)
    s = r / r1
    dome = 0.02 * (spec.curve - 1.2) * (1 - s * s)
    front = np.stack([r, z + dome], axis=1)
    return Lathe(np.concatenate([front, (front - [0.0, 0.005])[::-1]]), Part.COVER)


def _hub(spec: RimSpec, z: float, z_back: float, z_lip: float) -> list[Body]:
    rh = spec.hub_radius
    z_back -= 0.012
    top: list[tuple[float, float]] = [(rh, z - 0.004), (rh - 0.004, z)]
    bodies: list[Body] = []
    r_cap = min(0.034, 0.45 * rh)
    if spec.cap == "cap":
        top += [(r_cap, z), (r_cap, z + 0.004), (r_cap - 0.004, z + 0.007), (0.0, z + 0.009)]
    elif spec.cap == "dome":
        t = np.linspace(0.0, math.pi / 2, 7)
        big = 0.8 * rh
        top += [(float(big * np.cos(a)), float(z + 0.45 * big * np.sin(a))) for a in t[:-1]]
        top += [(0.0, z + 0.45 * big)]
    elif spec.cap == "bore":
        top += [(r_cap + 0.003, z), (r_cap, z - 0.003), (r_cap, z_back)]
    else:
        top += [(0.62 * rh, z), (0.58 * rh, z - 0.012), (0.0, z - 0.012)]
        bodies.append(Prisms(1, 0.0, 0.0, 6, (0.5 * rh, 0.46 * rh), z - 0.02, z + 0.02, Part.BOLT))
        bodies.append(Prisms(1, 0.0, 0.0, 16, (0.3 * rh, 0.27 * rh), z, z + 0.032, Part.HUB))
    foot = [] if spec.cap == "bore" else [(0.0, z_back)]
    bodies.append(Lathe(np.array([*top, *foot, (rh, z_back)]), Part.HUB))
    if spec.bolts:
        at = 0.5 * (r_cap + rh)
        size = min(0.011, 0.45 * (rh - r_cap) / 1.2)
        bodies.append(
            Prisms(spec.bolts, 0.3, at, 6, (size, 0.9 * size), z - 0.005, z + 0.010, Part.BOLT)
        )
    return bodies


def _behind(spec: RimSpec, seat: float, z_back: float, z_lip: float) -> list[Body]:
    r_free = seat - spec.barrel - spec.drop
    z = max(z_back - 0.012, -0.6 * z_lip)
    if spec.back == "brake":
        r_disc, r_hat = 0.88 * r_free, 0.5 * r_free
        thick = 0.026
        far = max(z - 0.06, -z_lip + 0.005)
        points = [
            (0.0, z + 0.02),
            (r_hat, z + 0.02),
            (r_hat, z - 0.012),
            (r_disc, z - 0.012),
            (r_disc, z - 0.012 - thick),
            (0.55 * r_hat, z - 0.012 - thick),
            (0.5 * r_hat, min(far, z - 0.04 - thick)),
            (0.0, min(far, z - 0.04 - thick)),
        ]
        return [Lathe(np.array(points), Part.BRAKE)]
    if spec.back == "drum":
        far = max(z - 0.07, -z_lip + 0.004)
        r_drum = 0.84 * r_free
        points = [
            (0.0, z + 0.01),
            (r_drum - 0.012, z + 0.01),
            (r_drum, z),
            (r_drum, far),
            (0.0, far),
        ]
        return [Lathe(np.array(points), Part.BRAKE)]
    if spec.back == "closed":
        far = -0.55 * z_lip
        top = min(far + 0.012, z)
        r_wall = seat - 0.002
        points = [(0.0, top), (r_wall, top), (r_wall, top - 0.01), (0.0, top - 0.01)]
        return [Lathe(np.array(points), Part.BRAKE)]
    return []
