"""Normals of a torus, known in closed form."""

import numpy as np
import trimesh

from tasks.mesh.normals import vertex_normals


def test_normals_of_a_torus_point_away_from_its_ring() -> None:
    shape = trimesh.creation.torus(0.27, 0.09, major_sections=96, minor_sections=48)
    normals = vertex_normals(shape.vertices, shape.faces)
    flat = shape.vertices * [1, 1, 0]
    ring = 0.27 * flat / np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(normals, (shape.vertices - ring) / 0.09, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-12)


def test_single_precision_is_summed_in_double() -> None:
    shape = trimesh.creation.icosphere(subdivisions=2)
    single = np.asarray(shape.vertices, np.float32)
    np.testing.assert_array_equal(
        vertex_normals(single, shape.faces), vertex_normals(single.astype(np.float64), shape.faces)
    )


def test_small_faces_have_unit_normals_too() -> None:
    """Faces of a micrometre: areas of 1e-12 square metres are no reason for a shorter normal."""
    shape = trimesh.creation.icosphere(subdivisions=1)
    normals = vertex_normals(shape.vertices * 1e-8, shape.faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-12)


def test_a_face_without_area_has_no_normal() -> None:
    assert not vertex_normals(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32)).any()
