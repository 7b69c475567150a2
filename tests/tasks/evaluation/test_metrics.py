"""Scores of shapes whose distances are known."""

import numpy as np
import pytest
import trimesh

from tasks.evaluation.distance import SurfaceDistance
from tasks.evaluation.metrics import (
    Truth,
    align_rigidly,
    annulus,
    sample_surface,
    score_surface,
    volume_iou,
)


def _truth(mesh: trimesh.Trimesh, diameter: float = 2.0) -> Truth:
    points, normals = sample_surface(mesh, 40_000, seed=5)
    return Truth(SurfaceDistance(mesh), points, normals, diameter=diameter, width=1.0)


def test_a_shape_against_itself_scores_nearly_perfectly() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4)
    scores = score_surface(ball, _truth(ball))
    assert scores.chamfer < 0.02  # to the surface: no floor from the samples' spacing
    assert scores.f2 > 0.99
    assert scores.normal_consistency > 0.99


def test_concentric_spheres_are_their_difference_of_radius_apart() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=1.0)
    larger = trimesh.creation.icosphere(subdivisions=5, radius=1.1)
    scores = score_surface(larger, _truth(ball))
    assert scores.accuracy == pytest.approx(5.0, abs=0.15)
    assert scores.completeness == pytest.approx(5.0, abs=0.15)
    assert scores.f2 == 0.0
    assert scores.f1 <= scores.f2 <= scores.f5


def test_alignment_undoes_a_small_motion_but_not_a_scale() -> None:
    box = trimesh.creation.box((1.0, 0.6, 0.3))
    moved = box.copy()
    moved.apply_transform(trimesh.transformations.rotation_matrix(0.08, [1, 2, 3], [0.1, 0, 0]))
    truth = _truth(box, diameter=1.0)
    assert score_surface(moved, truth).chamfer > 2.0
    assert score_surface(align_rigidly(moved, truth), truth).chamfer < 0.5
    larger = box.copy()
    larger.apply_scale(1.2)
    assert score_surface(align_rigidly(larger, truth), truth).chamfer > 3.0


def test_volume_iou_counts() -> None:
    a = np.array([True, True, False, False])
    b = np.array([True, False, True, False])
    assert volume_iou(a, b) == pytest.approx(1 / 3)
    assert volume_iou(a & False, b & False) == 0.0


def test_the_annulus_has_its_size() -> None:
    ring = annulus(0.72, 0.4, 0.3)
    np.testing.assert_allclose(ring.extents, [0.72, 0.72, 0.3], rtol=1e-3)
    assert ring.is_watertight


def test_a_region_is_scored_alone() -> None:
    """A ball whose lower half is a tenth too large: the upper half knows nothing of it."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    spoilt = ball.copy()
    spoilt.vertices[spoilt.vertices[:, 2] < 0] *= 1.1
    truth = _truth(ball)
    upper = truth.visible[:, 2] > 0.1
    assert score_surface(spoilt, truth, region=upper).chamfer < 0.05
    lower = truth.visible[:, 2] < -0.1
    assert score_surface(spoilt, truth, region=lower).completeness == pytest.approx(5.0, abs=0.3)
    assert 1.0 < score_surface(spoilt, truth).completeness < 4.0
