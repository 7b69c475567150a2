"""Draws tyres: families of real tyres with wide ranges about them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tasks.synthetic.tyres.looks import sample_look
from tasks.synthetic.tyres.patterns import sample_tread
from tasks.synthetic.tyres.spec import (
    FlatSpot,
    ProfileSpec,
    RimSpec,
    TreadCut,
    TyreSpec,
    WearSpec,
)

INCH = 0.0254

Rng = np.random.Generator


@dataclass(frozen=True)
class Family:
    """Ranges of one family: millimetres and inches, as tyres are labelled.

    Args:
        weight: Relative frequency with which it is drawn.
        diameter_mm: Outer diameter.
        width_mm: Section width.
        rim_in: Rim diameter.
        treads: Kinds of pattern and their weights.
        square: Range of the shoulder's squareness, 0 round .. 1 square.
        tread_share: Range of the crown's share of the width.
        without_rim: Share of tyres without a rim.
    """

    weight: float
    diameter_mm: tuple[float, float]
    width_mm: tuple[float, float]
    rim_in: tuple[float, float]
    treads: dict[str, float]
    square: tuple[float, float]
    tread_share: tuple[float, float]
    without_rim: float = 0.27


FAMILIES: dict[str, Family] = {
    "formula_front": Family(
        1.3, (715, 725), (300, 312), (18, 18), {"slick": 6, "inter": 2, "wet": 2}, (0.3, 0.9),
        (0.7, 0.9), 0.2,
    ),
    "formula_rear": Family(
        1.3, (715, 725), (398, 412), (18, 18), {"slick": 6, "inter": 2, "wet": 2}, (0.3, 0.9),
        (0.7, 0.9), 0.2,
    ),
    "formula_13": Family(
        1.0, (560, 680), (230, 405), (13, 13), {"slick": 5, "inter": 2, "wet": 2, "grooved": 2},
        (0.2, 0.8), (0.65, 0.9),
    ),
    "gt": Family(
        1.6, (630, 720), (240, 340), (16, 19), {"slick": 6, "inter": 2, "wet": 2}, (0.4, 1.0),
        (0.7, 0.92),
    ),
    "road": Family(
        2.6, (560, 720), (155, 260), (13, 18), {"block": 4, "grooved": 1, "vee": 2, "winter": 1},
        (0.2, 0.8), (0.62, 0.85),
    ),
    "sport": Family(
        2.2, (610, 760), (205, 335), (17, 22), {"block": 4, "grooved": 2, "vee": 2}, (0.4, 1.0),
        (0.72, 0.92),
    ),
    "offroad": Family(
        1.2, (660, 900), (205, 330), (14, 18), {"lug": 4, "block": 1, "winter": 1}, (0.3, 0.9),
        (0.65, 0.88),
    ),
    "van": Family(
        0.7, (600, 780), (165, 245), (14, 17), {"grooved": 3, "block": 3}, (0.4, 0.9), (0.65, 0.85),
    ),
    "classic": Family(
        0.7, (560, 720), (120, 190), (13, 17), {"grooved": 3, "block": 2, "slick": 1}, (0.0, 0.5),
        (0.4, 0.7),
    ),
    "moto": Family(
        0.6, (560, 680), (100, 200), (15, 19), {"slick": 3, "vee": 3, "lug": 1}, (0.0, 0.15),
        (0.12, 0.3), 0.45,
    ),
    "small": Family(
        0.5, (400, 560), (120, 240), (10, 12), {"slick": 3, "block": 2, "lug": 1}, (0.2, 0.8),
        (0.6, 0.85),
    ),
}  # fmt: skip

RIM_KINDS = {
    "straight": 5.0,
    "twisted": 2.0,
    "split": 2.5,
    "double": 2.0,
    "mesh": 1.5,
    "disc": 1.2,
    "holes": 1.4,
    "slots": 1.0,
    "cover": 1.6,
}


def sample_spec(seed: int) -> TyreSpec:
    """The tyre of a seed; equal seeds give equal tyres."""
    rng = np.random.default_rng(seed)
    name = choose(rng, {k: f.weight for k, f in FAMILIES.items()})
    family = FAMILIES[name]
    profile = _profile(rng, family)
    tread = sample_tread(rng, choose(rng, family.treads), profile)
    rim = None if rng.random() < family.without_rim else _rim(rng, name, profile)
    look = sample_look(rng, name, race=tread.kind in ("slick", "inter", "wet"))
    wear = sample_wear(rng, profile) if rng.random() < 0.3 else None
    phase = float(rng.uniform(0, 2 * math.pi))
    return TyreSpec(seed, name, profile, tread, rim, look, wear, phase)


def choose(rng: Rng, weights: dict[str, float]) -> str:
    """One key, drawn by its weight."""
    p = np.array(list(weights.values()), dtype=np.float64)
    return list(weights)[int(rng.choice(len(p), p=p / p.sum()))]


def _between(rng: Rng, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds))


def uniform_or_zero(rng: Rng, chance: float, low: float, high: float) -> float:
    """A uniform draw from ``low`` to ``high`` with probability ``chance``, else zero."""
    return float(rng.uniform(low, high)) if rng.random() < chance else 0.0


def _profile(rng: Rng, family: Family) -> ProfileSpec:
    diameter = _between(rng, family.diameter_mm) / 1000
    width = _between(rng, family.width_mm) / 1000
    rim = round(_between(rng, family.rim_in)) * INCH
    # Leave a sidewall of 35 mm at least, and no balloon taller than 1.1 widths.
    rim = min(rim, diameter - 0.07)
    rim = max(rim, diameter - 2.2 * width, 0.25)
    sidewall = (diameter - rim) / 2
    share = _between(rng, family.tread_share)
    square = _between(rng, family.square)
    crown = _between(rng, (0.002, 0.05)) * sidewall + (1 - square) * 0.05 * width * share**2
    if share < 0.35:
        crown = _between(rng, (0.02, 0.06)) * width
    base_wall = _between(rng, (0.008, 0.016))
    return ProfileSpec(
        diameter=diameter,
        width=width,
        rim_diameter=rim,
        tread_share=share,
        crown_drop=max(min(crown, 0.35 * sidewall), 0.001),
        shoulder_reach=0.5 + 0.4 * square + _between(rng, (-0.05, 0.05)),
        shoulder_height=0.5 + 0.42 * square + _between(rng, (-0.05, 0.03)),
        belly=_between(rng, (0.38, 0.62)),
        bead_share=_between(rng, (0.72, 0.96) if rng.random() < 0.85 else (0.96, 1.06)),
        rib=_between(rng, (0.002, 0.007)) if rng.random() < 0.35 else 0.0,
        tread_wall=base_wall + _between(rng, (0.003, 0.010)),
        side_wall=_between(rng, (0.006, 0.014)),
        bead_wall=_between(rng, (0.014, 0.026)),
    )


def _rim(rng: Rng, family: str, profile: ProfileSpec) -> RimSpec:
    kind = choose(rng, RIM_KINDS)
    if family.startswith("formula") and rng.random() < 0.45:
        kind = choose(rng, {"cover": 3, "straight": 2, "split": 1})
    radius, half = profile.rim_diameter / 2, profile.width / 2
    hub = min(_between(rng, (0.045, 0.085)), 0.42 * radius)
    reach = radius - hub
    spokes, width = _spokes(rng, kind, hub, reach)
    style = rng.random()
    if style < 0.4:  # flat
        edge = _between(rng, (0.012, 0.03))
        deep = edge + _between(rng, (-0.01, 0.04))
    elif style < 0.8:  # concave or deep dish
        edge = _between(rng, (0.012, 0.75 * half))
        deep = edge + _between(rng, (0.0, 0.8 * half))
    else:  # convex
        edge = _between(rng, (0.02, 0.9 * half))
        deep = edge - _between(rng, (0.0, 0.06))
    deep = min(max(deep, 0.002), 1.35 * half)
    twisted = _between(rng, (0.15, 0.8)) * float(rng.choice([-1, 1]))
    twist = twisted if kind == "twisted" or (kind == "slots" and rng.random() < 0.3) else 0.0
    if kind == "mesh":
        twist = 2 * math.pi / spokes * _between(rng, (0.5, 1.2))
    thin = kind in ("disc", "holes", "slots")
    thickness = _between(rng, (0.005, 0.012)) if thin else _between(rng, (0.014, 0.034))
    bolts = int(rng.choice([0, 3, 4, 5, 5, 5, 6, 8]))
    cap = choose(rng, {"cap": 4, "nut": 3, "bore": 3, "dome": 1})
    return RimSpec(
        kind=kind,
        spokes=spokes,
        spoke_width=width,
        spoke_taper=_between(rng, (0.45, 1.7))
        if rng.random() < 0.75
        else _between(rng, (1.7, 3.0)),
        twist=twist,
        chamfer=_between(rng, (0.001, 0.010)),
        edge_depth=edge,
        hub_depth=deep,
        curve=_between(rng, (0.7, 2.4)),
        thickness=thickness,
        hub_thickness=thickness + _between(rng, (0.002, 0.03)),
        hub_radius=hub,
        flange=min(_between(rng, (0.008, 0.018)), 0.3 * (profile.diameter / 2 - radius)),
        lip=_between(rng, (0.002, 0.008)),
        barrel=_between(rng, (0.008, 0.018)),
        drop=_between(rng, (0.004, 0.018)) if rng.random() < 0.6 else 0.0,
        cap=cap,
        rivets=int(rng.choice([16, 20, 24, 30])) if kind == "disc" and rng.random() < 0.5 else 0,
        bolts=0 if cap in ("nut", "dome") else bolts,
        back=choose(rng, {"open": 8, "brake": 1.2, "drum": 0.6, "closed": 0.6}),
        cover_hole=_between(rng, (0.03, 0.55 * radius)) if rng.random() < 0.6 else 0.0,
    )


def _spokes(rng: Rng, kind: str, hub: float, reach: float) -> tuple[int, float]:
    """Number of spokes or windows and their width."""
    spokes = int(rng.choice([3, 4, 5, 5, 5, 6, 6, 7, 8, 9, 10, 12, 15, 20]))
    if kind == "mesh":
        spokes = int(rng.integers(7, 13))
    elif kind in ("holes", "slots"):
        spokes = int(rng.integers(4, 17))
    elif kind in ("split", "double"):
        spokes = int(rng.integers(4, 11))
    room = 2 * math.pi * (hub + 0.55 * reach) / spokes
    width = min(_between(rng, (0.12, 0.5)) * room, 0.09)
    if kind in ("mesh", "double"):
        width = min(width, 0.28 * room)
    elif rng.random() < 0.25:  # wide wedges with narrow windows between them
        width = _between(rng, (0.45, 0.8)) * room
    width = max(width, 0.010)
    if kind in ("holes", "slots"):
        width = _between(rng, (0.45, 0.9))
    return spokes, width


def sample_wear(rng: Rng, profile: ProfileSpec) -> WearSpec:
    """Random wear for a tyre."""
    half = profile.width / 2 * min(1.0, profile.tread_share + 0.05)
    spots = tuple(
        FlatSpot(float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.0008, 0.005)))
        for _ in range(int(rng.choice([0, 0, 1, 1, 2])))
    )
    cuts = tuple(
        TreadCut(
            float(rng.uniform(0, 2 * math.pi)),
            float(rng.uniform(-0.7, 0.7) * half),
            float(rng.uniform(0.01, 0.04)),
            float(rng.uniform(0.003, 0.008)),
            float(rng.uniform(0.001, 0.005)),
            float(rng.uniform(-1.5, 1.5)),
        )
        for _ in range(int(rng.choice([0, 0, 1, 2, 4])))
    )
    return WearSpec(
        uniform=uniform_or_zero(rng, 0.6, 0.0, 0.003),
        inner=uniform_or_zero(rng, 0.4, 0.0, 0.004),
        centre=uniform_or_zero(rng, 0.25, 0.0, 0.003),
        outer=uniform_or_zero(rng, 0.3, 0.0, 0.004),
        flat_spots=spots,
        graining=uniform_or_zero(rng, 0.4, 0.0003, 0.0015),
        graining_centre=float(rng.uniform(-0.8, 0.8)),
        cuts=cuts,
        run_out=uniform_or_zero(rng, 0.2, 0.0, 0.0015),
        seed=int(rng.integers(1 << 30)),
    )
