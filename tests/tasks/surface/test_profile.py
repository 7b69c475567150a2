"""The outer profile of meshes whose section is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trimesh

from tasks.surface.profile import OuterProfile, fit_outer_profile
from tests.tasks.atlas.scene import RING, TUBE, torus


@pytest.fixture(scope="module")
def profile() -> OuterProfile:
    mesh = torus()
    found = fit_outer_profile(mesh.vertices, mesh.faces)
    assert found is not None
    return found


def test_it_follows_the_section(profile: OuterProfile) -> None:
    from_ring = profile.points - (RING, 0.0)
    np.testing.assert_allclose(np.linalg.norm(from_ring, axis=1), TUBE, atol=0.0015)
    turn = np.degrees(np.arctan2(from_ring[:, 1], from_ring[:, 0]))
    assert (np.diff(turn) > 0).all(), "from the inner face over the tread to the outer face"
    assert turn[0] < -90
    assert turn[-1] > 90
    np.testing.assert_allclose(profile.normals, from_ring / TUBE, atol=0.05)


def test_points_are_unrolled_to_their_arc_length_and_distance(profile: OuterProfile) -> None:
    turn = np.radians([-60.0, 0.0, 75.0])
    height = np.array([0.002, -0.004, 0.0])
    section = np.stack(
        [RING + (TUBE + height) * np.cos(turn), (TUBE + height) * np.sin(turn)], axis=1
    )
    around = np.array([0.3, 2.0, -1.0])
    points = np.stack(
        [section[:, 0] * np.cos(around), section[:, 0] * np.sin(around), section[:, 1]], axis=1
    )
    arc, distance = profile.unroll(points)
    np.testing.assert_allclose(np.diff(arc), TUBE * np.diff(turn), atol=0.002)
    np.testing.assert_allclose(distance, height, atol=0.001)


def test_it_ends_where_the_rim_begins() -> None:
    """A tyre with a hole right through it: the hole's wall is not of the outer surface."""
    section = np.array([(0.2, -0.1), (0.36, -0.1), (0.36, 0.1), (0.2, 0.1), (0.2, -0.1)])
    shape = trimesh.creation.revolve(section, sections=128)
    shape = shape.subdivide_to_size(0.03)
    found = fit_outer_profile(np.asarray(shape.vertices), np.asarray(shape.faces))
    assert found is not None
    assert found.points[:, 0].min() == pytest.approx(0.2, abs=0.01)
    # two faces and the tread, less what smoothing takes off the corners
    assert found.length == pytest.approx(0.16 + 0.2 + 0.16, abs=0.02)


def test_a_wide_tyre_with_low_sidewalls_is_followed_round_its_shoulders() -> None:
    """Rays meet the edges of its tread very much aslant."""
    section = np.array([(0.27, -0.19), (0.36, -0.19), (0.36, 0.19), (0.27, 0.19), (0.27, -0.19)])
    shape = trimesh.creation.revolve(section, sections=128).subdivide_to_size(0.03)
    found = fit_outer_profile(np.asarray(shape.vertices), np.asarray(shape.faces))
    assert found is not None
    assert found.points[[0, -1], 0].max() < 0.28
    assert found.length == pytest.approx(0.38 + 2 * 0.09, abs=0.02)


def test_deep_grooves_of_a_wide_tyre_do_not_end_it() -> None:
    """Rays that graze the tread meet the grooves' walls or pass above them."""
    top, floor = 0.335, 0.327
    tread = [(0.335, -0.13)]
    for middle in (-0.07, -0.035, 0.0, 0.035, 0.07):
        tread += [(top, middle - 0.004), (floor, middle - 0.003)]
        tread += [(floor, middle + 0.003), (top, middle + 0.004)]
    section = np.array([(0.2, -0.13), *tread, (0.335, 0.13), (0.2, 0.13), (0.2, -0.13)])
    shape = trimesh.creation.revolve(section, sections=128).subdivide_to_size(0.03)
    found = fit_outer_profile(np.asarray(shape.vertices), np.asarray(shape.faces))
    assert found is not None
    assert found.points[[0, -1], 0].max() < 0.21, "both ends are beads"
    assert found.points[[0, -1], 1] == pytest.approx([-0.13, 0.13], abs=0.005)


def test_a_narrow_ring_of_a_torn_mesh_has_none() -> None:
    section = np.array([(0.35, -0.004), (0.36, -0.004), (0.36, 0.004), (0.35, 0.004)])
    ring = trimesh.creation.revolve(np.vstack([section, section[:1]]), sections=128)
    assert fit_outer_profile(np.asarray(ring.vertices), np.asarray(ring.faces)) is None


def test_a_box_has_none() -> None:
    box = trimesh.creation.box((0.2, 1.0, 0.2))
    assert fit_outer_profile(np.asarray(box.vertices), np.asarray(box.faces)) is None


def test_arc_lengths_add_up() -> None:
    turn = np.linspace(-1.0, 1.0, 400)
    profile = OuterProfile(np.stack([0.3 * np.cos(turn), 0.3 * np.sin(turn)], axis=1))
    assert profile.length == pytest.approx(0.6, rel=1e-4)
    assert math.isclose(profile.arc[0], 0.0)
