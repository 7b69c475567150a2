"""Distances between a reconstruction and the truth, in per cent of the truth's diameter.

Result samples are area-uniform over the whole result; truth samples are area-uniform over the
truth's *visible* surface, for what cannot be seen cannot be expected of a video. Result to truth is
measured to the whole of the truth's surface. Distances are to the surfaces, not to their samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tasks.evaluation.distance import SurfaceDistance
from tasks.geometry.rigid import rigid_fit

FloatArray = NDArray[np.float64]

THRESHOLDS = (1.0, 2.0, 5.0)
"""Thresholds of the F-score, per cent of the diameter."""


@dataclass(frozen=True)
class SurfaceScores:
    """Scores of a surface.

    Args:
        chamfer: Mean distance result to truth plus mean distance visible truth to result, in per
            cent of the diameter.
        accuracy: The first of the two.
        completeness: The second of the two.
        f1, f2, f5: F-scores at 1, 2 and 5 per cent of the diameter.
        normal_consistency: Mean absolute cosine between the normals of nearest points.
    """

    chamfer: float
    accuracy: float
    completeness: float
    f1: float
    f2: float
    f5: float
    normal_consistency: float

    def to_dict(self) -> dict[str, float]:
        """The scores by name."""
        return asdict(self)


@dataclass(frozen=True)
class Truth:
    """A known object.

    Args:
        surface: Its whole surface, metres, tyre frame.
        visible: ``(N, 3)`` area-uniform samples of its visible surface.
        visible_normals: ``(N, 3)`` their unit normals.
        diameter: Outer diameter, metres.
        width: Overall width, metres.
        contains: Inside query, or None for an open surface.
    """

    surface: SurfaceDistance
    visible: FloatArray
    visible_normals: FloatArray
    diameter: float
    width: float
    contains: Callable[[FloatArray], NDArray[np.bool_]] | None = None


def sample_surface(
    mesh: trimesh.Trimesh, count: int, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Area-uniform points ``(N, 3)`` of a mesh and the normals of their faces ``(N, 3)``."""
    points, face = trimesh.sample.sample_surface(mesh, count, seed=seed)
    return np.asarray(points), np.asarray(mesh.face_normals[face])


def score_surface(
    mesh: trimesh.Trimesh,
    truth: Truth,
    count: int = 30000,
    *,
    region: NDArray[np.bool_] | None = None,
) -> SurfaceScores:
    """Score a result that is aligned with the truth already.

    Args:
        mesh: The result, metres, in the truth's frame.
        truth: The known object.
        count: Samples of the result.
        region: ``(N,)`` which of the truth's visible samples count; the result's samples count
            where the nearest of them does. None for all of both.

    Returns:
        All scores; distances in per cent of the truth's diameter.
    """
    points, _ = sample_surface(mesh, count)
    visible, visible_normals = truth.visible, truth.visible_normals
    if region is not None:
        points = points[region[cKDTree(visible).query(points)[1]]]
        visible, visible_normals = visible[region], visible_normals[region]
    per_cent = 100.0 / truth.diameter
    to_truth = truth.surface.query(points)[0] * per_cent
    distance, _, normals = SurfaceDistance(mesh).query(visible)
    to_result = distance * per_cent
    cosine = np.abs(np.einsum("ij,ij->i", normals, visible_normals))

    def f_score(threshold: float) -> float:
        precision = float((to_truth < threshold).mean())
        recall = float((to_result < threshold).mean())
        return 2 * precision * recall / max(precision + recall, 1e-9)

    f1, f2, f5 = (f_score(t) for t in THRESHOLDS)
    accuracy, completeness = float(to_truth.mean()), float(to_result.mean())
    return SurfaceScores(
        accuracy + completeness, accuracy, completeness, f1, f2, f5, float(cosine.mean())
    )


def volume_iou(inside_a: NDArray[np.bool_], inside_b: NDArray[np.bool_]) -> float:
    """Intersection over union of two solids sampled at the same uniform points."""
    union = int((inside_a | inside_b).sum())
    return float((inside_a & inside_b).sum() / union) if union else 0.0


def align_rigidly(
    mesh: trimesh.Trimesh, truth: Truth, *, iterations: int = 30, keep: float = 0.85
) -> trimesh.Trimesh:
    """Trimmed iterative closest points from where the result stands; no change of scale.

    Args:
        mesh: The result, roughly aligned.
        truth: The known object.
        iterations: Steps.
        keep: Share of the nearest pairs used in each step.

    Returns:
        A moved copy.
    """
    points, _ = sample_surface(mesh, 8000)
    total = np.eye(4)
    for _ in range(iterations):
        distance, nearest, _ = truth.surface.query(points, candidates=2)
        chosen = distance <= np.quantile(distance, keep)
        rotation, shift = rigid_fit(points[chosen], nearest[chosen])
        points = points @ rotation.T + shift
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = rotation, shift
        total = step @ total
    moved = mesh.copy()
    moved.apply_transform(total)
    return moved


def annulus(outer_diameter: float, inner_diameter: float, width: float) -> trimesh.Trimesh:
    """The plain baseline: a tube about +Z with the true outer diameter and width."""
    ring: trimesh.Trimesh = trimesh.creation.annulus(
        r_min=inner_diameter / 2, r_max=outer_diameter / 2, height=width, sections=128
    )
    return ring
