"""Damage changes mesh and inside query alike, only where it is, and what is read still reads."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import trimesh

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
from tasks.synthetic.tyres.rubber import cylinder
from tasks.synthetic.tyres.spec import Part, TyreSpec, WearSpec, with_wear, without_wear
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec

SLICK = 1_050_012
"""A mounted slick with words on its outer sidewall only."""


@pytest.fixture(scope="module")
def spec() -> TyreSpec:
    return without_wear(sample_spec(SLICK))


@pytest.fixture(scope="module")
def new(spec: TyreSpec) -> Tyre:
    return build_tyre(spec, detail=1.0)


def damaged(spec: TyreSpec, **kinds: object) -> Tyre:
    return build_tyre(replace(spec, damage=DamageSpec(**kinds)), detail=1.0)  # type: ignore[arg-type]


def points_at(tyre: Tyre, theta: float, r: float, z: float) -> np.ndarray:
    """A point of the tyre frame, from one in the rubber's."""
    angle = theta + tyre.spec.phase
    return np.array([[r * math.cos(angle), r * math.sin(angle), z - tyre.z_shift]])


def surface_agrees(tyre: Tyre) -> tuple[float, float]:
    """Share of points just below the rubber's surface inside, and just above it outside."""
    mesh = tyre.rubber.mesh(1.0)
    rng = np.random.default_rng(0)
    t = mesh.vertices[mesh.faces]
    cross = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    area = np.linalg.norm(cross, axis=1)
    face = rng.choice(len(area), 4000, p=area / area.sum())
    p = np.einsum("nk,nkd->nd", rng.dirichlet((1, 1, 1), 4000), t[face])
    n = cross[face] / area[face, None]

    def inside(q: np.ndarray) -> np.ndarray:
        return tyre.rubber.contains(*cylinder(q))

    return float(inside(p - 4e-4 * n).mean()), float(1 - inside(p + 4e-4 * n).mean())


@pytest.mark.parametrize("face", [1, -1])
@pytest.mark.parametrize("depth", [0.007, -0.005])
def test_a_bulge_moves_surface_and_inside_by_its_depth(
    spec: TyreSpec, new: Tyre, face: int, depth: float
) -> None:
    s = new.rubber.section
    radius = (s.bead_radius + float(s.top_r.max())) / 2
    tyre = damaged(spec, bulges=(Bulge(face, 1.0, radius, 0.045, 0.03, depth),))
    upper = radius > s.belly_radius
    wall = float(np.interp(-radius, -s.top_r[s.top_z > 0], s.top_z[s.top_z > 0]))
    wall = wall if upper else float(s.side(np.array([radius]))[0])
    for step, within in ((-2e-4, True), (2e-4, False)):
        at = face * (wall + depth + step)
        assert tyre.contains(points_at(tyre, 1.0, radius, at))[0] == within
        other = -face * (wall + step)
        assert tyre.contains(points_at(tyre, 1.0, radius, other))[0] == within
        away = face * (wall + step)
        assert tyre.contains(points_at(tyre, 2.5, radius, away))[0] == within
    assert min(surface_agrees(tyre)) > 0.98
    mesh = tyre.rubber.mesh(1.0)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight


def test_a_chunk_is_missing_from_the_tread_and_only_there(spec: TyreSpec) -> None:
    chunk = Chunk(angle=2.0, z=0.03, length=0.02, width=0.015, depth=0.008, seed=4)
    tyre = damaged(spec, chunks=(chunk,))
    here = tyre.delta_r(np.array([2.0 + spec.phase]), np.array([0.03 - tyre.z_shift]))
    assert here[0] == pytest.approx(0.008, abs=0.0012)
    theta = np.linspace(0, 2 * math.pi, 720, endpoint=False)
    z = np.linspace(-0.06, 0.06, 61)
    loss = tyre.delta_r(*np.meshgrid(theta, z))
    area = (loss > 0.004).sum() * (2 * math.pi * tyre.diameter / 2 / 720) * 0.002
    assert area == pytest.approx(0.04 * 0.03, rel=0.35)
    assert min(surface_agrees(tyre)) > 0.98


def test_wear_may_be_conical(spec: TyreSpec) -> None:
    half = spec.profile.width / 2
    z = np.array([-0.5, 0.0, 0.5]) * half
    for slope, ends in ((0.003, (0.25, 0.5, 0.75)), (-0.003, (0.75, 0.5, 0.25))):
        tyre = build_tyre(with_wear(spec, WearSpec(conical=slope)), detail=0.35)
        loss = tyre.delta_r(np.zeros(3), z - tyre.z_shift)
        assert loss == pytest.approx(0.003 * np.array(ends), abs=1e-6)


def test_marks_are_seen_where_they_are_and_shape_stays(spec: TyreSpec, new: Tyre) -> None:
    s = new.rubber.section
    radius = s.belly_radius - 0.004
    wall = float(s.side(np.array([radius]))[0])
    cut = SidewallCut(1, 0.5, radius, 0.02, 0.002, 0.0, 1)
    scuff = Scuff(1, 2.5, radius, 0.04, 0.01, 0.0, 2)
    pits = Blisters(1.5, 0.0, 0.05, 0.03, 20, 0.006, 0.001, 3)
    tyre = damaged(spec, cuts=(cut,), scuffs=(scuff,), blisters=(pits,))
    walls = np.flatnonzero(tyre.part == Part.SIDEWALL)[:1]
    treads = np.flatnonzero(tyre.part == Part.TREAD)[:1]
    colours = {}
    for name, theta, face in (("cut", 0.5, 1), ("scuff", 2.5, 1), ("cut behind", 0.5, -1)):
        for side, of in (("new", new), ("used", tyre)):
            at = points_at(of, theta, radius, face * wall)
            colours[name, side] = float(of.material(walls, at).albedo.mean())
    assert colours["cut", "used"] < 0.5 * colours["cut", "new"]
    assert colours["scuff", "used"] > 1.5 * colours["scuff", "new"]
    assert colours["cut behind", "used"] == pytest.approx(colours["cut behind", "new"])
    angle, z, _, depth = pits.pits(tyre.rubber.radius)[0]
    top = float(s.top(np.array([z]))[0])
    pit = tyre.material(treads, points_at(tyre, angle, top, z)).albedo.mean()
    assert pit < 0.5 * new.material(treads, points_at(new, angle, top, z)).albedo.mean()
    assert tyre.delta_r(np.array([angle + spec.phase]), np.array([z - tyre.z_shift]))[0] >= depth


def test_graining_ripples_in_its_band(spec: TyreSpec, new: Tyre) -> None:
    half = spec.profile.width / 2
    tyre = damaged(spec, grains=(Grain(0.3 * half, 0.2 * half, 7),))
    tread = np.flatnonzero(tyre.part == Part.TREAD)[:1]
    ratio = {}
    for share in (0.3, -0.3):
        z = share * half
        top = float(new.rubber.section.top(np.array([z]))[0])
        around = np.linspace(0.0, 0.2, 200)
        at = np.concatenate([points_at(tyre, t, top, z) for t in around])
        before, after = (t.material(np.resize(tread, 200), at).albedo for t in (new, tyre))
        ratio[share] = (after / before)[:, 0]
    assert ratio[-0.3] == pytest.approx(1.0)
    assert ratio[0.3].min() < 0.85
    assert ratio[0.3].max() > 1.1


def test_dust_of_another_seed_lies_elsewhere_and_the_rubber_stays(spec: TyreSpec) -> None:
    clean = replace(spec, look=replace(spec.look, dirt=0.0))
    with_seed = replace(clean, look=replace(clean.look, dirt_seed=5))
    one, two = (replace(spec, look=replace(spec.look, dirt=0.6, dirt_seed=k)) for k in (5, 6))
    tyres = [build_tyre(s, detail=0.35) for s in (clean, with_seed, one, two)]
    face = np.flatnonzero(tyres[0].part < Part.RIM)[::9]
    at = tyres[0].vertices[tyres[0].faces[face]].mean(axis=1)
    a, b, c, d = (t.material(face, at).albedo for t in tyres)
    assert np.array_equal(a, b)
    assert np.abs(c - d).max() > 0.02


def test_a_turned_tyre_shows_its_other_face_and_is_no_mirror(spec: TyreSpec, new: Tyre) -> None:
    """Turned, words lie at -z and still run the same way for one who looks at them."""
    cut = SidewallCut(1, 0.8, new.rubber.section.belly_radius - 0.004, 0.02, 0.003, 0.6, 1)
    hurt = replace(spec, damage=DamageSpec(cuts=(cut,)))
    straight = build_tyre(hurt)
    turned = build_tyre(replace(hurt, mount=Mount(0.4, turned=True)))
    assert new.width == pytest.approx(turned.width)
    wall = np.flatnonzero(straight.part == Part.SIDEWALL)
    centres = straight.vertices[straight.faces[wall]].mean(axis=1)
    # From the frame of the one to that of the other: a rotation, not a mirror.
    a, b = spec.phase, spec.phase + 0.4

    def turn(angle: float) -> np.ndarray:
        c, s = math.cos(angle), math.sin(angle)
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])

    move = turn(b) @ np.diag([-1.0, 1.0, -1.0]) @ turn(a).T
    assert np.linalg.det(move) == pytest.approx(1.0)
    own = np.flatnonzero(turned.part == Part.SIDEWALL)[: len(wall)]
    before = straight.material(wall, centres).albedo
    moved = (centres + np.array([0, 0, straight.z_shift])) @ move.T - [0, 0, turned.z_shift]
    after = turned.material(np.resize(own, len(wall)), moved).albedo
    assert after == pytest.approx(before, abs=2e-3)
    assert np.abs(before.max(axis=1) - before.min(axis=1)).max() > 0.05  # words are coloured


def test_no_damage_leaves_a_tyre_as_it_is(spec: TyreSpec, new: Tyre) -> None:
    same = damaged(spec)
    assert np.array_equal(same.vertices, new.vertices)
    assert np.array_equal(same.faces, new.faces)
    face = np.arange(0, len(new.faces), 11)
    at = new.vertices[new.faces[face]].mean(axis=1)
    assert np.array_equal(same.material(face, at).albedo, new.material(face, at).albedo)
