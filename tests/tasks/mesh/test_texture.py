"""Textures as numbers, and how their coordinates change along a surface."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tasks.imaging.images import encode_image
from tasks.imaging.srgb import linear_from_srgb
from tasks.mesh.texture import decoded, sampled, uv_gradients


def test_a_texture_is_linear_and_repeats() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[1, 2] = (0, 100, 200)  # BGR
    texture = decoded(encode_image(".png", image))
    assert texture is not None
    assert texture.shape == (4, 8, 3)
    uv = np.array([[2.5 / 8, 1.5 / 4], [2.5 / 8 + 1, 1.5 / 4 - 2], [0.9, 0.9]])
    expected = linear_from_srgb(np.array([[200, 100, 0], [200, 100, 0], [0, 0, 0]]) / 255)
    np.testing.assert_allclose(sampled(texture, uv), expected, atol=1e-6)
    assert decoded(None) is None
    assert decoded(b"no picture") is None


@pytest.mark.parametrize("degenerate", [False, True])
def test_gradients_are_those_of_the_mapping(degenerate: bool) -> None:
    """On a ball, of u = x and v = 2 y: what is left of them along the surface."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    points, faces = np.asarray(ball.vertices), np.asarray(ball.faces, np.int32)
    if degenerate:
        faces = np.concatenate([faces, faces[:9, [0, 0, 1]], faces[:9, [2, 2, 2]]])
    found = uv_gradients(points, faces, points[:, :2] * [1, 2])
    directions = np.array([[1.0, 0, 0], [0, 2.0, 0]])
    for k, way in enumerate(directions):
        along = way - (points @ way)[:, None] * points
        np.testing.assert_allclose(found[:, :, k], along, atol=0.01)


def test_a_vertex_of_no_face_has_no_gradient() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]])
    found = uv_gradients(points, np.array([[0, 1, 2]], np.int32), points[:, :2])
    assert not found[3].any()
    np.testing.assert_allclose(found[:3, :, 0], [[1, 0, 0]] * 3)
