"""Score a finished run of the pipeline against the known object that was filmed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trimesh
from safetensors.torch import load_file

from tasks.evaluation.metrics import Truth, align_rigidly, score_surface
from tasks.evaluation.subject import (
    best_annulus,
    rotated,
    score_poses,
    score_result,
    single_view,
    true_cameras_of,
    visual_hull,
)
from tasks.network.weights import ChosenModel, load_model
from tasks.records import PoseEstimate
from tasks.stages.infer_codes import coded_frames_of
from tasks.stages.remove_backgrounds import masks_of
from tasks.storage.artifacts import Artifact, ArtifactStore
from tasks.synthetic.scenes.video import VideoTruth


def artifact_of(store: ArtifactStore, metadata: Mapping[str, Any], stage: str) -> Artifact:
    """The artifact that a stage left, from the metadata of a run.

    Raises:
        FileNotFoundError: It is not in the store.
    """
    uri = next(s["uri"] for s in metadata["stages"] if s["stage"] == stage)
    found = store.find(stage, Path(uri).parent.name)
    if found is None:
        raise FileNotFoundError(uri)
    return store.open(found)


def score_run(
    glb: Path,
    metadata: Mapping[str, Any],
    store: ArtifactStore,
    chosen: ChosenModel,
    truth: Truth,
    known: VideoTruth,
) -> dict[str, Any]:
    """Scores of the fused mesh, of every single view and of both baselines.

    Args:
        glb: The run's result.
        metadata: What the run returned.
        store: Of its artifacts.
        chosen: The model that it used.
        truth: The object.
        known: The cameras that filmed it.
    """
    frames = artifact_of(store, metadata, "extract").record["frames"]
    masks = artifact_of(store, metadata, "remove-backgrounds")
    codes = artifact_of(store, metadata, "infer")
    estimate = artifact_of(store, metadata, "estimate-poses").record["poses"]
    poses = PoseEstimate.from_dict(estimate)
    cameras = true_cameras_of(known.cameras, frames)
    pose_scores = score_poses(poses, cameras)
    model = load_model(chosen.folder, chosen.weight_name, chosen.digest, "cpu")
    scene_codes = load_file(codes.folder / "codes.safetensors")["codes"]
    alphas = {m.index: masks.folder / m.file for m in masks_of(masks.record) if m.usable}
    hull = rotated(visual_hull(poses, alphas, truth.diameter), pose_scores.to_truth)
    ratio, ring = best_annulus(truth)
    with _quiet("tsr.surface.extract"):  # thin parts of single views are no news here
        single = [
            single_view(model, code, frame, cameras[frame.index], truth)
            for code, frame in zip(scene_codes, coded_frames_of(codes.record), strict=True)
        ]
    return {
        "place": known.place,
        "stages": {s["stage"]: s["seconds"] for s in metadata["stages"]},
        "poses": {
            "method": poses.method,
            "motion": poses.motion,
            "rotation_deg": pose_scores.rotation_deg,
            "axle_deg": pose_scores.axle_deg,
        },
        "silhouette_iou": metadata["figures"].get("silhouette_iou"),
        "fused": score_result(trimesh.load_mesh(glb), truth, pose_scores.to_truth),
        "single": single,
        "annulus": {"inner_ratio": ratio, **asdict(ring)},
        "hull": {
            "posed": score_surface(hull, truth).to_dict(),
            "aligned": score_surface(align_rigidly(hull, truth), truth).to_dict(),
        },
    }


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
