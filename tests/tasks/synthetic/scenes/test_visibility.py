"""Samples of the visible surface."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tasks.synthetic.scenes.visibility import visible_surface
from tasks.synthetic.tyres.tyre import build_tyre, sample_spec


def test_hidden_surface_is_left_out() -> None:
    outer = trimesh.creation.box((2, 2, 1))
    inner = trimesh.creation.box((1, 1, 0.5))
    both = trimesh.util.concatenate([outer, inner])
    assert isinstance(both, trimesh.Trimesh)
    points, normals = visible_surface(both, 2000, 0)
    assert points.shape == normals.shape == (2000, 3)
    on_outer = np.isclose(np.abs(points) / [1, 1, 0.5], 1.0, atol=1e-6).any(axis=1)
    assert on_outer.all()
    assert (np.einsum("ij,ij->i", points, normals) > 0).all()
    areas = [(np.abs(normals[:, a]) > 0.5).mean() for a in range(3)]
    assert areas == pytest.approx([0.25, 0.25, 0.5], abs=0.04)


def test_normals_point_to_the_side_that_is_seen() -> None:
    box = trimesh.creation.box((1, 1, 1))
    box.invert()
    points, normals = visible_surface(box, 500, 1)
    assert (np.einsum("ij,ij->i", points, normals) > 0).all()


def test_mounted_tyre_shows_no_chamber() -> None:
    spec = next(s for s in map(sample_spec, range(100)) if s.rim is not None)
    tyre = build_tyre(spec, detail=0.35)
    points, normals = visible_surface(tyre, 3000, 0)
    assert not tyre.contains(points + 1e-3 * normals).mean() > 0.05
    assert tyre.contains(points - 5e-4 * normals).mean() > 0.95


def test_same_seed_same_points() -> None:
    tyre = build_tyre(sample_spec(3), detail=0.2)
    a, b = visible_surface(tyre, 100, 5), visible_surface(tyre, 100, 5)
    assert np.array_equal(a[0], b[0])
