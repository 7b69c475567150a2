"""Rays against a box, whose distances are known."""

import numpy as np
import pytest
import trimesh

from tasks.geometry.ray_caster import RayCaster

ORIGINS = np.array([[0.0, 0.1, 5.0], [0.3, 0.0, -5.0], [3.0, 0.0, 5.0]])
DIRECTIONS = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])


@pytest.fixture(params=[1.0, 100.0])
def box(request: pytest.FixtureRequest) -> RayCaster:
    shape = trimesh.creation.box((1.0, 2.0, 4.0))
    return RayCaster(shape.vertices, shape.faces, scale=request.param)


def test_distances_are_in_the_lengths_of_the_vertices(box: RayCaster) -> None:
    assert box.distances(ORIGINS, DIRECTIONS) == pytest.approx([3.0, 3.0, np.inf], rel=1e-6)


def test_first_hits(box: RayCaster) -> None:
    shape = trimesh.creation.box((1.0, 2.0, 4.0))
    found = box.intersect(ORIGINS, DIRECTIONS)
    assert found.distance == pytest.approx([3.0, 3.0, np.inf], rel=1e-6)
    assert found.face[2] == -1
    for k, z in enumerate((2.0, -2.0)):
        corners = shape.vertices[shape.faces[found.face[k]]]
        u, v = found.u[k], found.v[k]
        point = (1 - u - v) * corners[0] + u * corners[1] + v * corners[2]
        assert point == pytest.approx([*ORIGINS[k, :2], z], abs=1e-5)
        across = found.normal[k] / np.linalg.norm(found.normal[k])
        assert np.abs(across) == pytest.approx([0, 0, 1], abs=1e-6)


def test_occlusion_ends_with_the_reach(box: RayCaster) -> None:
    assert box.occluded(ORIGINS, DIRECTIONS).tolist() == [True, True, False]
    assert box.occluded(ORIGINS, DIRECTIONS, 2.9).tolist() == [False, False, False]
    reaches = np.array([3.1, 2.9, 100.0], np.float32)
    assert box.occluded(ORIGINS, DIRECTIONS, reaches).tolist() == [True, False, False]
