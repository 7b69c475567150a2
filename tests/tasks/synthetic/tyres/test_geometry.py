"""Generated tyres: the mesh, the inside query and the known wear say the same."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import trimesh

from tasks.synthetic.tyres.profile import BoolArray, FloatArray
from tasks.synthetic.tyres.shapes import Body, Mesh, Spokes
from tasks.synthetic.tyres.spec import (
    TEST_SEEDS,
    TRAIN_SEEDS,
    VALIDATION_SEEDS,
    FlatSpot,
    Part,
    WearSpec,
    with_wear,
    without_wear,
)
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec, tyre_mesh

SEEDS = range(14)
STEP = 4e-4


def samples(mesh: Mesh | Tyre, count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Area-uniform points and the normals of their faces."""
    rng = np.random.default_rng(seed)
    t = mesh.vertices[mesh.faces].astype(np.float64)
    cross = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    area = np.linalg.norm(cross, axis=1)
    face = rng.choice(len(area), count, p=area / area.sum())
    points = np.einsum("nk,nkd->nd", rng.dirichlet((1, 1, 1), count), t[face])
    return points, np.asarray(cross[face] / area[face, None])


def inside(body: Body, p: FloatArray) -> BoolArray:
    return body.contains(np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0]), p[:, 2])


@pytest.fixture(scope="module")
def tyres() -> list[Tyre]:
    return [build_tyre(sample_spec(seed), detail=0.6) for seed in SEEDS]


def test_seed_ranges_are_disjoint() -> None:
    assert len(TRAIN_SEEDS) >= 1_000_000
    ranges = sorted((TRAIN_SEEDS, VALIDATION_SEEDS, TEST_SEEDS), key=lambda r: r.start)
    assert all(a.stop <= b.start for a, b in pairwise(ranges))


def test_equal_seeds_give_equal_tyres() -> None:
    assert sample_spec(11) == sample_spec(11)
    assert sample_spec(11) != sample_spec(12)
    a, b = build_tyre(sample_spec(11)), build_tyre(sample_spec(11))
    assert np.array_equal(a.vertices, b.vertices)
    assert np.array_equal(a.faces, b.faces)


def test_variety() -> None:
    specs = [sample_spec(seed) for seed in range(600)]
    assert {s.tread.kind for s in specs} == {
        "slick", "grooved", "block", "winter", "vee", "inter", "wet", "lug",
    }  # fmt: skip
    assert len({s.rim.kind for s in specs if s.rim is not None}) == 9
    bare = sum(s.rim is None for s in specs) / len(specs)
    assert 0.22 < bare < 0.33
    assert 0.2 < sum(s.wear is not None for s in specs) / len(specs) < 0.4
    widths = np.array([s.profile.width for s in specs])
    rims = np.array([s.profile.rim_diameter for s in specs]) / 0.0254
    assert widths.min() < 0.13
    assert widths.max() > 0.395
    assert rims.min() < 11
    assert rims.max() > 20.9


def test_every_body_is_closed_and_agrees_with_its_inside(tyres: list[Tyre]) -> None:
    for tyre in tyres:
        bodies: list[Body] = [tyre.rubber, *tyre.wheel]
        for k, body in enumerate(bodies):
            mesh = body.mesh(0.6)
            assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight
            points, normals = samples(mesh, 3000 if k == 0 else 600, k)
            if isinstance(body, Spokes):  # they end in slivers, hidden in hub and barrel
                r = np.hypot(points[:, 0], points[:, 1])
                seen = (r > body.r[0] + 0.003) & (r < body.r[-1] - 0.003)
                points, normals = points[seen], normals[seen]
            within = inside(body, points - STEP * normals).mean()
            without = 1.0 - inside(body, points + STEP * normals).mean()
            assert within > 0.97, (tyre.spec.seed, body)
            assert without > 0.97, (tyre.spec.seed, body)


def test_tyre_contains_what_its_surface_encloses(tyres: list[Tyre]) -> None:
    for tyre in tyres:
        points, normals = samples(tyre, 4000, 1)
        assert tyre.contains(points - STEP * normals).mean() > 0.985, tyre.spec.seed
        if tyre.spec.rim is None:
            assert tyre.contains(points + STEP * normals).mean() < 0.015, tyre.spec.seed


def test_volume_of_bare_tyres(tyres: list[Tyre]) -> None:
    rng = np.random.default_rng(0)
    for tyre in [t for t in tyres if t.spec.rim is None][:3]:
        r0, r1 = tyre.spec.profile.rim_diameter / 2 - 0.002, tyre.diameter / 2
        n = 250_000
        r = np.sqrt(rng.uniform(r0**2, r1**2, n))
        theta = rng.uniform(-math.pi, math.pi, n)
        z = rng.uniform(-0.5, 0.5, n) * tyre.width
        hits = tyre.contains(np.stack([r * np.cos(theta), r * np.sin(theta), z], axis=1)).mean()
        volume = hits * math.pi * (r1**2 - r0**2) * tyre.width
        assert volume == pytest.approx(tyre_mesh(tyre).volume, rel=0.012), tyre.spec.seed


def test_box_is_centred_and_normals_point_outwards(tyres: list[Tyre]) -> None:
    for tyre in tyres:
        low, high = tyre.vertices.min(axis=0), tyre.vertices.max(axis=0)
        assert (low + high)[2] == pytest.approx(0.0, abs=1e-6)
        assert np.abs(low + high).max() < 0.02 * tyre.diameter
        assert (high - low)[2] == pytest.approx(tyre.width, abs=1e-6)
        assert (high - low)[:2].max() <= tyre.diameter + 1e-6
        assert np.linalg.norm(tyre.normals, axis=1) == pytest.approx(1.0, abs=1e-4)
        t = tyre.vertices[tyre.faces].astype(np.float64)
        cross = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
        area = np.linalg.norm(cross, axis=1)
        agree = np.einsum("ij,ij->i", cross, tyre.normals[tyre.faces[:, 0]]) / np.maximum(
            area, 1e-30
        )
        assert np.sum(area * (agree > 0.6)) > 0.995 * area.sum()


def test_mounted_tyres_have_solid_chambers_and_bare_ones_holes(tyres: list[Tyre]) -> None:
    for tyre in tyres:
        p = tyre.spec.profile
        r = p.rim_diameter / 2 + 0.45 * (p.diameter - p.rim_diameter) / 2
        theta = np.linspace(0, 2 * math.pi, 50)
        ring = np.stack([r * np.cos(theta), r * np.sin(theta), 0 * theta - tyre.z_shift], axis=1)
        assert tyre.contains(ring).all() == (tyre.spec.rim is not None)
        if tyre.spec.rim is None:
            assert not tyre.contains(ring).any()
            assert not tyre.contains(ring * 0.3).any()


def test_meshes_for_training_are_light() -> None:
    light = [build_tyre(sample_spec(seed), detail=0.35) for seed in range(100, 110)]
    assert np.median([len(t.faces) for t in light]) <= 40_000
    assert max(len(t.faces) for t in light) <= 75_000


def test_wear_is_the_known_difference(tyres: list[Tyre]) -> None:
    wear = WearSpec(uniform=0.001, outer=0.003, flat_spots=(FlatSpot(1.0, 0.004),))
    slick = next(t.spec for t in tyres if t.spec.tread.kind == "slick")
    new, worn = build_tyre(without_wear(slick)), build_tyre(with_wear(slick, wear))
    assert new.z_shift == pytest.approx(worn.z_shift, abs=1e-4)
    rng = np.random.default_rng(0)
    theta = rng.uniform(-math.pi, math.pi, 400)
    z = rng.uniform(-0.25, 0.25, 400) * new.width
    loss = worn.delta_r(theta, z)
    assert (new.delta_r(theta, z) == 0.0).all()
    assert loss.min() >= 0.001 - 1e-9
    top = new.rubber.section.top(z + new.z_shift)

    def at(r: FloatArray) -> FloatArray:
        return np.stack([r * np.cos(theta), r * np.sin(theta), z], axis=1)

    assert new.contains(at(top - 1e-5)).all()
    assert worn.contains(at(top - loss - 1e-5)).all()
    assert not worn.contains(at(top - loss + 1e-5)).any()
    spot = worn.delta_r(np.array([1.0 + slick.phase]), np.array([0.0]))
    assert spot[0] >= 0.004


def test_material_is_dark_rubber_and_lettered(tyres: list[Tyre]) -> None:
    marked = 0
    for tyre in tyres:
        face = np.arange(0, len(tyre.faces), 7)
        points = tyre.vertices[tyre.faces[face]].mean(axis=1)
        material = tyre.material(face, points)
        assert material.albedo.shape == (len(face), 3)
        for field in (material.albedo, material.specular, material.roughness):
            assert field.dtype == np.float32
            assert field.min() >= 0.0
            assert field.max() <= 1.0
        rubber = material.albedo[tyre.part[face] == Part.TREAD]
        assert np.median(rubber) < 0.35
        wall = material.albedo[tyre.part[face] == Part.SIDEWALL].max(axis=1)
        marked += bool((wall > 0.3).any())
    assert marked >= len(tyres) // 5
