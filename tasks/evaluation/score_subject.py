"""Score one subject: the fused mesh, every single view, and the two baselines, on equal terms.

The gauge of a reconstruction from video (which way it turned about the axle) is taken from its
cameras: the rotation that carries the estimated cameras to the true ones best. ``posed`` scores
stand there, origin on origin, no fit of any kind; ``aligned`` scores follow a rigid fit to the
truth without change of scale, which the baselines get too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from tasks.evaluation.metrics import (
    SurfaceScores,
    Truth,
    align_rigidly,
    annulus,
    score_surface,
    volume_iou,
)
from tasks.fusion.evidence.visual_hull import visual_hull_distance
from tasks.fusion.views import load_views, place_tyre
from tasks.geometry.camera import Camera
from tasks.geometry.crop import CodedFrame, world_to_crop_frame
from tasks.geometry.rigid import nearest_rotation
from tasks.poses.record import PoseEstimate
from tsr.network.field import SURFACE_DENSITY
from tsr.system import TSR

FloatArray = NDArray[np.float64]

INNER_RATIOS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Inner over outer diameter of the annulus; the one that scores best is the baseline."""

IOU_POINTS = 40_000


@dataclass(frozen=True)
class PoseScores:
    """Errors of the estimated cameras.

    Args:
        to_truth: ``(3, 3)`` rotation from the estimated tyre frame to the true one.
        rotation_deg: Median rotation error over the frames after that rotation.
        axle_deg: Angle between the estimated and the true axle.
        focal_percent: Median error of the focal length.
        share: Share of the frames that have a pose.
    """

    to_truth: FloatArray
    rotation_deg: float
    axle_deg: float
    focal_percent: float
    share: float

    def to_dict(self) -> dict[str, float]:
        """The errors by name."""
        return {name: value for name, value in asdict(self).items() if name != "to_truth"}


def score_poses(poses: PoseEstimate, true_cameras: Mapping[int, Camera]) -> PoseScores:
    """Compare estimated with true cameras of the same frames, by the frames' indices."""
    pairs = [
        (c.rotation @ poses.tyre.axes.T, true_cameras[i].rotation)
        for i, c in poses.cameras.items()
        if i in true_cameras
    ]
    to_truth = nearest_rotation(np.sum([true.T @ estimated for estimated, true in pairs], axis=0))
    cosines = [(np.trace(true.T @ estimated @ to_truth.T) - 1) / 2 for estimated, true in pairs]
    errors = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    axle = np.degrees(np.arccos(np.clip(abs(to_truth[2, 2]), 0, 1)))
    focal = [
        100 * abs(c.fx / true_cameras[i].fx - 1)
        for i, c in poses.cameras.items()
        if i in true_cameras
    ]
    return PoseScores(
        to_truth,
        float(np.median(errors)),
        float(axle),
        float(np.median(focal)),
        len(pairs) / len(true_cameras),
    )


def rotated(mesh: trimesh.Trimesh, rotation: FloatArray) -> trimesh.Trimesh:
    """A rotated copy."""
    moved = mesh.copy()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    moved.apply_transform(matrix)
    return moved


def iou_points(truth: Truth, seed: int = 3) -> FloatArray:
    """Points ``(N, 3)`` uniform in a box round the truth, a tenth larger."""
    half = 0.55 * np.array([truth.diameter, truth.diameter, truth.width])
    return np.random.default_rng(seed).uniform(-half, half, (IOU_POINTS, 3))


def single_view(
    model: TSR, code: torch.Tensor, frame: CodedFrame, camera: Camera, truth: Truth
) -> dict[str, Any]:
    """Scores of one scene code, placed by the true camera."""
    to_crop = world_to_crop_frame(camera, frame.crop, np.zeros(3))
    mesh = model.extract_mesh(code[None].float(), False, resolution=128)[0]
    if len(mesh.faces) == 0:
        return {"index": frame.index, "surface": None, "volume_iou": 0.0}
    mesh.vertices = to_crop.inverse().apply(np.asarray(mesh.vertices, dtype=np.float64))
    scores: dict[str, Any] = {
        "index": frame.index,
        "surface": score_surface(mesh, truth).to_dict(),
        "aligned": score_surface(align_rigidly(mesh, truth), truth).to_dict(),
    }
    if truth.contains is not None:
        points = iou_points(truth)
        inside = density_inside(model, code, to_crop.apply(points))
        scores["volume_iou"] = volume_iou(inside, truth.contains(points))
    return scores


@torch.inference_mode()
def density_inside(model: TSR, code: torch.Tensor, points: FloatArray) -> NDArray[np.bool_]:
    """Whether points ``(N, 3)`` of the crop frame lie inside the field's surface."""
    found = model.renderer.query_triplane(
        model.decoder, torch.from_numpy(points).float(), code.float()
    )
    inside = found["density_act"][..., 0].numpy() > SURFACE_DENSITY
    return np.asarray(inside & (np.abs(points).max(axis=1) < model.renderer.cfg.radius))


def best_annulus(truth: Truth) -> tuple[float, SurfaceScores]:
    """The plain annulus of the true diameter and width with the inner ratio that scores best."""
    tried = {
        ratio: score_surface(annulus(truth.diameter, ratio * truth.diameter, truth.width), truth)
        for ratio in INNER_RATIOS
    }
    return min(tried.items(), key=lambda item: item[1].chamfer)


def visual_hull(
    poses: PoseEstimate, alpha_paths: Mapping[int, Path], diameter: float, steps: int = 160
) -> trimesh.Trimesh:
    """The silhouettes' visual hull in the estimated tyre frame, from the pipeline's own masks."""
    placement = place_tyre(poses.tyre, diameter)
    views = load_views(poses.cameras, dict(alpha_paths), placement, longest_px=640)
    half = 0.56 * diameter
    line = np.linspace(-half, half, steps)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    signed = visual_hull_distance(grid.astype(np.float32), views, outliers=1, margin_px=0.0)
    volume = np.asarray(signed).reshape(steps, steps, steps)
    mesh: trimesh.Trimesh = trimesh.voxel.ops.matrix_to_marching_cubes(
        volume > 0, pitch=line[1] - line[0]
    )
    mesh.vertices = np.asarray(mesh.vertices) - half
    return mesh


def score_result(
    mesh: trimesh.Trimesh, truth: Truth, to_truth: FloatArray, seen: NDArray[np.bool_]
) -> dict[str, Any]:
    """Posed and aligned scores, width error and volume IoU of a mesh in the estimated tyre frame.

    Args:
        mesh: The mesh.
        truth: The known object.
        to_truth: ``(3, 3)`` rotation from the estimated tyre frame to the true one.
        seen: ``(N,)`` which of the truth's visible samples the film shows.
    """
    posed = rotated(mesh, to_truth)
    aligned = align_rigidly(posed, truth)
    scores: dict[str, Any] = {
        "posed": score_surface(posed, truth).to_dict(),
        "aligned": score_surface(aligned, truth).to_dict(),
        "seen_side": score_surface(aligned, truth, region=seen).to_dict(),
        # along its own axle: an alignment's tilt of half a degree would add two per cent
        "width_percent": float(100 * (mesh.extents[2] / truth.width - 1)),
    }
    if truth.contains is not None and mesh.is_watertight:
        points = iou_points(truth)
        scores["volume_iou"] = volume_iou(
            np.asarray(aligned.contains(points)), truth.contains(points)
        )
    return scores


def true_cameras_of(
    cameras: Sequence[Camera], candidates: Sequence[Mapping[str, Any]]
) -> dict[int, Camera]:
    """True cameras by candidate index, scaled to the candidates' size in pixels."""
    found = {}
    for candidate in candidates:
        camera = cameras[int(candidate["source"])]
        size = int(candidate["width"]), int(candidate["height"])
        found[int(candidate["index"])] = camera.resized(*size)
    return found
