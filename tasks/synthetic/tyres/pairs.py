"""Pairs of films: a tyre as new and the same tyre used, with what changed between them.

A kind names what changed; kinds joined by ``+`` change together. All pairs but every second null
pair are dirtier when used, and no tyre stands as it stood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from configs.evaluation import PAIR_KINDS
from tasks.surface.profile import TREAD_NORMAL
from tasks.synthetic.tyres.damage import (
    Blisters,
    Bulge,
    Chunk,
    DamageSpec,
    Grain,
    Mount,
    Scuff,
    SidewallCut,
)
from tasks.synthetic.tyres.profile import FloatArray, Section, outer_section
from tasks.synthetic.tyres.sampling import Rng, sample_spec
from tasks.synthetic.tyres.spec import (
    TEST_SEEDS,
    VALIDATION_SEEDS,
    Band,
    FlatSpot,
    Lettering,
    TyreSpec,
    WearSpec,
    without_wear,
)

PAIR_VALIDATION_SEEDS = range(VALIDATION_SEEDS.start + 50_000, VALIDATION_SEEDS.start + 51_000)
PAIR_TEST_SEEDS = range(TEST_SEEDS.start + 50_000, TEST_SEEDS.start + 51_000)

DETAIL = 2.0
"""Density of the meshes of pairs: chunks and flat spots need more than images do."""
_LEAST_WALL = 0.045
_FLAT_SPOTS = (0.0030, 0.0035, 0.0025, 0.0020)
"""Depths that seeds take in turn, metres."""
_UNIFORM_WEAR_M = 0.002


@dataclass(frozen=True)
class Pair:
    """One tyre, new and used.

    Args:
        seed: One of :data:`PAIR_VALIDATION_SEEDS` or :data:`PAIR_TEST_SEEDS`.
        kind: What changed.
        new, damaged: The tyre; the rubber's frame is the same for both.
    """

    seed: int
    kind: str
    new: TyreSpec
    damaged: TyreSpec

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.kind}-{self.seed}"

    def film_seed(self, side: Literal["new", "damaged"]) -> int:
        """Seed of the room, the light and the path of a film: another for every film."""
        return 3 * self.seed + (1 if side == "new" else 2)


def plan_pair(seed: int, kind: str) -> Pair:
    """The pair of a seed; equal arguments give equal pairs.

    Args:
        seed: See :class:`Pair`.
        kind: One of :data:`PAIR_KINDS`, or several joined by ``+``.

    Raises:
        ValueError: For a kind that is not known.
    """
    kinds = kind.split("+")
    if unknown := [k for k in kinds if k not in PAIR_KINDS]:
        raise ValueError(f"no kind of pair: {', '.join(unknown)}; known: {', '.join(PAIR_KINDS)}")
    base = _clean(_suitable(seed, two_sided="turned" not in kinds))
    base = _with_serial(base, np.random.default_rng([seed, 22]))
    rng = np.random.default_rng([seed, 20])
    damaged = replace(base, phase=base.phase + float(rng.uniform(0.3, 2 * math.pi - 0.3)))
    if kinds != ["null"] or seed % 2:
        damaged = _used(damaged, rng)
    room = _Room.of(outer_section(base.profile))
    for k in kinds:
        own = np.random.default_rng([seed, 21, PAIR_KINDS.index(k)])
        if k in _CHANGES:
            damaged = _CHANGES[k](damaged, room, own, seed)
    return Pair(seed, kind, base, damaged)


def tread_edge(section: Section) -> float:
    """Half of the tread's width, metres: up to where its normals look sideways."""
    z = np.linspace(0.0, float(section.top_z[-1]), 400)
    flat = normal_of_top(section, z) > TREAD_NORMAL
    return float(z[int(np.argmin(flat)) - 1] if not flat.all() else z[-1])


def normal_of_top(section: Section, z: FloatArray) -> FloatArray:
    """Radial part of the normals of the upper branch at z."""
    step = 1e-4
    lim = float(section.top_z[-1]) - step
    at = np.clip(z, -lim, lim)
    slope = (section.top(at + step) - section.top(at - step)) / (2 * step)
    return np.asarray(1.0 / np.sqrt(1.0 + slope * slope))


@dataclass(frozen=True)
class _Room:
    """Where damage fits.

    Args:
        radius: The tread's radius.
        edge: Half of the tread's width.
        low, high: Radii of the sidewalls, without the rim's lip and without the shoulder.
        middle: Between both.
    """

    radius: float
    edge: float
    low: float
    high: float

    @staticmethod
    def of(section: Section) -> _Room:
        edge = tread_edge(section)
        high = float(section.top(np.array([edge]))[0]) - 0.004
        return _Room(float(section.top_r.max()), edge, section.bead_radius + 0.018, high)

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def height(self) -> float:
        return self.high - self.low


def _suitable(seed: int, *, two_sided: bool) -> TyreSpec:
    """The first tyre of a seed's own that has a rim, something to read outside, and a sidewall.

    Args:
        seed: The pair's seed.
        two_sided: Whether both sidewalls may say the same.
    """
    for step in range(50):
        spec = sample_spec(seed + 1000 * step)
        fits = spec.rim is not None and bool(spec.look.letterings) and spec.family != "moto"
        fits = fits and (two_sided or not spec.look.both_faces)
        if fits and _Room.of(outer_section(spec.profile)).height >= _LEAST_WALL:
            return spec
    raise ValueError(f"seed {seed} has no tyre that suits a pair")


def _clean(spec: TyreSpec) -> TyreSpec:
    """A tyre as it comes."""
    return replace(without_wear(spec), look=replace(spec.look, dirt=min(spec.look.dirt, 0.12)))


def _with_serial(spec: TyreSpec, rng: Rng) -> TyreSpec:
    """A tyre with what makers put on a sidewall once: a serial number, on every second a dot.

    Without, words that repeat leave it open how far a tyre was turned; no real tyre is so even.
    """
    look = spec.look
    grey = [float(min(1.0, 2.5 * c + 0.02)) for c in look.rubber]
    number = "".join(str(d) for d in rng.integers(0, 10, 8))
    low, turn = 0.1 + 0.05 * float(rng.random()), float(rng.uniform(0, 2 * math.pi))
    raised = (grey[0], grey[1], grey[2])
    serial = Lettering(f"DOT {number}", 1, low, low + 0.12, raised, 0, 0.1, 1.0, turn)
    bands = look.bands
    if rng.random() < 0.5:
        paint = (0.75, 0.6, 0.05) if rng.random() < 0.5 else (0.6, 0.04, 0.03)
        bands = (*bands, Band(0.84, 0.92, paint, 1, 0.006, turn + 2.0))
    return replace(spec, look=replace(look, letterings=(*look.letterings, serial), bands=bands))


def _used(spec: TyreSpec, rng: Rng) -> TyreSpec:
    """A tyre that has run: dustier, its dust elsewhere, its tread of another grey."""
    red, green, blue = np.multiply(spec.look.tread, rng.uniform(0.7, 1.5)).tolist()
    look = replace(
        spec.look,
        dirt=float(rng.uniform(0.15, 0.45)),
        dirt_seed=int(rng.integers(2**31)),
        tread=(red, green, blue),
        rubber_roughness=min(1.0, spec.look.rubber_roughness + float(rng.uniform(0.0, 0.2))),
    )
    return replace(spec, look=look)


def _worn(spec: TyreSpec, **changes: object) -> TyreSpec:
    wear = spec.wear or WearSpec(seed=spec.seed)
    return replace(spec, wear=replace(wear, **changes))  # type: ignore[arg-type]


def _hurt(spec: TyreSpec, **changes: object) -> TyreSpec:
    damage = spec.damage or DamageSpec()
    return replace(spec, damage=replace(damage, **changes))  # type: ignore[arg-type]


def _uniform(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    return _worn(spec, uniform=_UNIFORM_WEAR_M)


def _zones(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """0.5 to 4 mm, most at one position across."""
    least, most = float(rng.uniform(0.0005, 0.0012)), float(rng.uniform(0.001, 0.0028))
    where = rng.permutation(["inner", "centre", "outer"])
    shares = dict(zip(where, (1.0, float(rng.uniform(0.1, 0.6)), 0.0), strict=True))
    return _worn(spec, uniform=least, **{k: most * v for k, v in shares.items()})


def _conical(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    slope = float(rng.uniform(0.002, 0.0035) * rng.choice([-1.0, 1.0]))
    return _worn(spec, uniform=0.0005, conical=slope)


def _flat_spots(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """One, of the depth whose turn it is; now and then a second one, well away."""
    first = float(rng.uniform(0, 2 * math.pi))
    spots = [FlatSpot(first, _FLAT_SPOTS[seed % len(_FLAT_SPOTS)])]
    if rng.random() < 0.25:
        second = first + float(rng.uniform(1.8, 4.2))
        spots.append(FlatSpot(second, float(rng.uniform(0.002, 0.003))))
    return _worn(spec, flat_spots=tuple(spots))


def _cuts(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """One in each sidewall, 30 mm by 3 mm at least."""
    cuts = []
    for face in (1, -1):
        length = float(rng.uniform(0.0155, 0.028))
        # A long one does not fit the sidewall upright.
        steep = math.asin(min(1.0, 0.42 * room.height / length))
        cuts.append(
            SidewallCut(
                face,
                float(rng.uniform(0, 2 * math.pi)),
                room.middle + float(rng.uniform(-0.08, 0.08)) * room.height,
                length,
                float(rng.uniform(0.0016, 0.0028)),
                float(rng.uniform(-steep, steep)),
                int(rng.integers(2**31)),
            )
        )
    return _hurt(spec, cuts=tuple(cuts))


def _scuffs(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """One or two along the circumference of the outer sidewall."""
    first = float(rng.uniform(0, 2 * math.pi))
    scuffs = tuple(
        Scuff(
            1,
            first + 2.4 * k,
            room.middle + float(rng.uniform(0.05, 0.25)) * room.height,
            float(rng.uniform(0.03, 0.07)),
            float(rng.uniform(0.12, 0.2)) * room.height,
            float(rng.uniform(-0.15, 0.15)),
            int(rng.integers(2**31)),
        )
        for k in range(int(rng.integers(1, 3)))
    )
    return _hurt(spec, scuffs=scuffs)


def _bulge(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """A bulge of 5 to 9 mm, or every third time a dent."""
    depth = float(rng.uniform(0.005, 0.009))
    bulge = Bulge(
        1 if rng.random() < 0.7 else -1,
        float(rng.uniform(0, 2 * math.pi)),
        room.middle,
        float(rng.uniform(0.035, 0.055)),
        min(0.48 * room.height, float(rng.uniform(0.028, 0.045))),
        -0.7 * depth if rng.random() < 1 / 3 else depth,
    )
    return _hurt(spec, bulges=(bulge,))


def _chunks(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """Two to four, round the tyre and across it."""
    count = int(rng.integers(2, 5))
    first = float(rng.uniform(0, 2 * math.pi))
    chunks = tuple(
        Chunk(
            first + 2 * math.pi * (k + float(rng.uniform(-0.2, 0.2))) / count,
            float(rng.uniform(-0.75, 0.75)) * room.edge,
            float(rng.uniform(0.014, 0.026)),
            min(float(rng.uniform(0.011, 0.019)), 0.4 * room.edge),
            float(rng.uniform(0.005, 0.009)),
            int(rng.integers(2**31)),
        )
        for k in range(count)
    )
    return _hurt(spec, chunks=chunks)


def _graining(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    seed = int(rng.integers(2**31))
    half = spec.profile.width / 2
    centre = float(rng.uniform(-0.5, 0.5))
    spec = _hurt(spec, grains=(Grain(centre * half, 0.3 * half, seed),))
    height = float(rng.uniform(0.0012, 0.0022))
    return _worn(spec, graining=height, graining_centre=centre, seed=seed)


def _blisters(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    """One or two patches of pits up to 12 mm wide."""
    first = float(rng.uniform(0, 2 * math.pi))
    patches = tuple(
        Blisters(
            first + 2.6 * k,
            float(rng.uniform(-0.45, 0.45)) * room.edge,
            float(rng.uniform(0.08, 0.16)),
            0.35 * room.edge,
            int(rng.integers(18, 40)),
            float(rng.uniform(0.004, 0.006)),
            float(rng.uniform(0.0008, 0.0016)),
            int(rng.integers(2**31)),
        )
        for k in range(int(rng.integers(1, 3)))
    )
    return _hurt(spec, blisters=patches)


def _turned(spec: TyreSpec, room: _Room, rng: Rng, seed: int) -> TyreSpec:
    return replace(spec, mount=Mount(float(rng.uniform(0, 2 * math.pi)), turned=True))


_CHANGES: dict[str, Callable[[TyreSpec, _Room, Rng, int], TyreSpec]] = {
    "even": _uniform,
    "zones": _zones,
    "conical": _conical,
    "flat-spots": _flat_spots,
    "cuts": _cuts,
    "chunks": _chunks,
    "bulge": _bulge,
    "graining": _graining,
    "blisters": _blisters,
    "scuffs": _scuffs,
    "turned": _turned,
}
