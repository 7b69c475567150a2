"""Score a finished run of the pipeline against the known object that was filmed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trimesh

from configs.stages import StageName
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
from tasks.matting.quality import Masks
from tasks.network.codes import SceneCodes
from tasks.network.load import load_model
from tasks.network.weights import ChosenModel
from tasks.poses.record import PoseEstimate
from tasks.storage.artifacts import Artifact, ArtifactStore
from tasks.synthetic.scenes.truth import VideoTruth


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
        store: Store of its artifacts.
        chosen: The model that it used.
        truth: The object.
        known: The cameras that filmed it.
    """
    frames = artifact_of(store, metadata, StageName.EXTRACT).record["frames"]
    coded = SceneCodes.read(artifact_of(store, metadata, StageName.INFER))
    poses = PoseEstimate.read(artifact_of(store, metadata, StageName.ESTIMATE_POSES))
    cameras = true_cameras_of(known.cameras, frames)
    pose_scores = score_poses(poses, cameras)
    model = load_model(chosen.folder, chosen.weight_name, chosen.digest, "cpu")
    alphas = Masks.read(artifact_of(store, metadata, StageName.RECTIFY)).paths()
    hull = rotated(visual_hull(poses, alphas, truth.diameter), pose_scores.to_truth)
    ratio, ring = best_annulus(truth)
    with _quiet("tsr.surface.extract"):  # thin parts of single views are no news here
        single = [
            single_view(model, code, frame, cameras[frame.index], truth)
            for code, frame in zip(coded.codes, coded.frames, strict=True)
        ]
    return {
        "environment": known.environment,
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
