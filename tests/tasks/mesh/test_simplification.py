"""Meshes of fewer faces: as many as are asked for, closed, and near in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import marching_cubes

from tasks.mesh.simplification import (
    Simplified,
    cluster,
    deviation,
    deviation_of,
    edge_counts,
    simplify,
    unsimplified,
)
from tests.tasks.mesh.test_levels_of_detail import fine


def test_clusters_are_as_few_as_is_asked_for() -> None:
    mesh = fine()
    whole = unsimplified(mesh.vertices.astype(np.float64), mesh.faces)
    found = cluster(whole, 900)
    assert 400 < len(found.faces) <= 900
    off = np.linalg.norm(found.vertices[found.origin] - mesh.vertices, axis=1)
    assert off.max() < 0.06
    radius = np.hypot(np.hypot(*found.vertices[:, :2].T) - 0.27, found.vertices[:, 2])
    assert radius == pytest.approx(0.09, abs=0.02)


def test_distances_are_those_to_the_surface() -> None:
    sheet = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    simple = Simplified(sheet, np.array([[0, 1, 2], [0, 2, 3]], np.int32), np.array([0, 1, 2, 0]))
    points = np.array([[0.3, 0.4, 0.001], [0.7, 0.2, -0.002], [0.5, 0.5, 0.003], [-0.004, 0, 0]])
    told = deviation(points, np.tile([0.0, 0, 1], (4, 1)), simple, sheet)
    assert told.mean_mm == pytest.approx(2.5, rel=1e-4)
    assert told.max_mm == pytest.approx(4.0), "beside the sheet its vertex is nearest"


def test_means_are_of_what_was_merged() -> None:
    mesh = fine()
    simple = simplify(unsimplified(mesh.vertices.astype(float), mesh.faces), 2000)
    assert len(simple.faces) == 2000
    ones = simple.mean_of(np.ones(len(mesh.vertices)))
    np.testing.assert_allclose(ones, 1.0)
    places = simple.mean_of(mesh.vertices.astype(float))
    assert np.linalg.norm(places - simple.vertices, axis=1).max() < 0.05
    nearest = mesh.vertices[simple.nearest(mesh.vertices.astype(float))]
    assert np.linalg.norm(nearest - simple.vertices, axis=1).max() < 0.02
    fewer = simplify(simple, 1000)
    assert len(fewer.faces) == 1000
    assert fewer.origin.shape == (len(mesh.vertices),)
    off = np.linalg.norm(mesh.vertices - fewer.vertices[fewer.origin], axis=1)
    assert off.max() < 0.12, "each with a vertex near by"


def test_a_simplified_surface_stays_closed() -> None:
    """A ball full of thin walls: plain collapsing leaves 50 edges at which four faces meet."""
    x, y, z = np.mgrid[-1:1:48j, -1:1:48j, -1:1:48j]
    walls = np.sin(8 * x) * np.cos(8 * y) + np.sin(8 * y) * np.cos(8 * z)
    walls += np.sin(8 * z) * np.cos(8 * x)
    ball = np.maximum(np.abs(walls) - 0.25, x**2 + y**2 + z**2 - 0.85)
    points, faces, _, _ = marching_cubes(ball, 0.0)
    simple = simplify(unsimplified(0.015 * points.astype(float), faces.astype(np.int32)), 13_800)
    assert 13_800 <= len(simple.faces) <= 1.05 * 13_800
    assert set(edge_counts(simple.vertices, simple.faces)[2]) == {2}


def test_distances_are_summed_up_in_millimetres() -> None:
    found = deviation_of(np.arange(101) / 1000)
    assert (found.mean_mm, found.p99_mm, found.max_mm) == pytest.approx((50.0, 99.0, 100.0))


def test_means_and_nearest_are_those_of_each_vertex_alone() -> None:
    full = np.array([[0.0, 0, 0], [1, 0, 0], [5, 0, 0], [7, 0, 0], [9, 0, 0]])
    simple = Simplified(
        np.array([[0.6, 0, 0], [7.9, 0, 0]]),
        np.zeros((0, 3), np.int32),
        np.array([0, 0, 1, 1, 1]),
    )
    np.testing.assert_allclose(simple.mean_of(full)[:, 0], [0.5, 7.0])
    np.testing.assert_allclose(simple.mean_of(full[:, 0]), [0.5, 7.0])
    np.testing.assert_array_equal(simple.nearest(full), [1, 3])


def test_vertices_at_one_place_are_one_where_edges_are_counted() -> None:
    """Two faces in charts of their own meet at an edge all the same."""
    apart = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    position, edges, count = edge_counts(apart, np.array([[0, 1, 2], [3, 5, 4]], np.int32))
    assert position[1] == position[3] != position[0]
    shared = {tuple(edge): int(n) for edge, n in zip(edges.tolist(), count, strict=True)}
    assert len(shared) == 5
    assert shared[tuple(sorted((int(position[1]), int(position[2]))))] == 2
    assert sorted(shared.values()) == [1, 1, 1, 1, 2]


def test_a_mesh_that_has_no_more_faces_is_left_as_it_is() -> None:
    mesh = fine()
    whole = unsimplified(mesh.vertices.astype(np.float64), mesh.faces)
    assert simplify(whole, len(mesh.faces)) is whole
    assert cluster(whole, len(mesh.faces)) is whole
