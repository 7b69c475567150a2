"""Wheels of no known kind are solids all the same."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from tasks.synthetic.tyres import random_wheels as odd_wheels
from tasks.synthetic.tyres.random_wheels import build_random_wheel, open_rim
from tasks.synthetic.tyres.tyre import Tyre, build_tyre, sample_spec, tyre_mesh


def odd_tyre(seed: int, filled: float = odd_wheels.FILLED) -> Tyre:
    """An odd wheel; ``filled`` 1 makes it one body, 0 any other."""
    rng = np.random.default_rng(seed)
    mounted = (s for s in range(100 * seed, 100 * seed + 100) if sample_spec(s).rim is not None)
    spec = sample_spec(next(mounted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(odd_wheels, "FILLED", filled)
        return build_tyre(spec, rim=functools.partial(build_random_wheel, rng))


@pytest.mark.parametrize("filled", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_bodies_are_closed_and_know_their_inside(seed: int, filled: float) -> None:
    tyre = odd_tyre(seed, filled)
    for body in tyre.wheel:
        made = body.mesh(1.0)
        mesh = trimesh.Trimesh(made.vertices, made.faces)
        assert mesh.is_watertight
        assert mesh.volume > 0
        points, face = trimesh.sample.sample_surface(mesh, 1500, seed=seed)
        for side, expected in ((-4e-4, True), (4e-4, False)):
            p = points + side * mesh.face_normals[face]
            said = body.contains(np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0]), p[:, 2])
            assert (said == expected).mean() > 0.97  # chords of the round, edges


def test_they_fit_the_tyre_and_differ() -> None:
    tyres = [odd_tyre(seed) for seed in range(6)]
    for tyre in tyres:
        rim = np.concatenate([b.mesh(0.5).vertices for b in tyre.wheel])
        assert np.hypot(rim[:, 0], rim[:, 1]).max() < 0.5 * tyre.diameter
        assert tyre_mesh(tyre).is_watertight
    assert len({len(t.vertices) for t in tyres}) == len(tyres)
    again = odd_tyre(3)
    np.testing.assert_array_equal(again.vertices, tyres[3].vertices)


def test_filled_wheels_have_no_hollow() -> None:
    """All along the axle, and around it half way out, there is matter from face to face."""
    for seed in range(4):
        tyre = odd_tyre(seed, filled=1.0)
        z = np.linspace(-0.02, 0.02, 9)
        for radius in (0.0, 0.5 * tyre.rubber.section.bead_radius):
            assert tyre.contains(np.stack([0 * z + radius, 0 * z, z], axis=1)).all()


def test_one_sees_through_most_of_an_open_wheel() -> None:
    """Half way out, along the axle, more than half of the rays meet nothing."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        spec = next(s for k in range(100) if (s := sample_spec(100 * seed + k)).rim is not None)
        assert spec.rim is not None
        rim = open_rim(rng, spec.rim, spec.profile)
        tyre = build_tyre(replace(spec, rim=rim), detail=0.3)
        angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
        radius = 0.5 * (rim.hub_radius + tyre.rubber.section.bead_radius)
        z = np.linspace(-0.5, 0.5, 120) * tyre.width
        x, y = (np.repeat(radius * f(angle), len(z)) for f in (np.cos, np.sin))
        inside = tyre.contains(np.stack([x, y, np.tile(z, len(angle))], axis=1))
        assert inside.reshape(len(angle), -1).any(axis=1).mean() < 0.5
