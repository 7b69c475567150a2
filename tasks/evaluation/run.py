"""Score a finished run of the pipeline against the known object that was filmed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray

from configs.stages import MESH_STAGE, StageName
from tasks.atlas.record import load_atlas
from tasks.evaluation.appearance import score_appearance
from tasks.evaluation.masks import MaskScores, film_scores, score_mask, true_labels
from tasks.evaluation.metrics import Truth, align_rigidly, score_surface
from tasks.evaluation.score_subject import (
    PoseScores,
    best_annulus,
    rotated,
    score_poses,
    score_result,
    single_view,
    true_cameras_of,
    visual_hull,
)
from tasks.evaluation.truth import seen_by
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_grey, read_mask
from tasks.imaging.masks import foreground
from tasks.matting.quality import Masks
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.merged import load_mesh
from tasks.network.codes import SceneCodes
from tasks.network.load import load_model
from tasks.network.weights import ChosenModel
from tasks.poses.record import PoseEstimate
from tasks.selection.choose import Selection
from tasks.storage.artifacts import Artifact, ArtifactStore
from tasks.synthetic.scenes.truth import VideoTruth
from tasks.synthetic.tyres.imported_wheels import ImportedWheel
from tasks.synthetic.tyres.tyre import Tyre
from tasks.video.frames import Frames


@dataclass(frozen=True)
class Filmed:
    """A known object and its film.

    Args:
        wheel: The object.
        truth: Samples of its surface.
        video: The film.
        known: The truth about the film.
    """

    wheel: Tyre | ImportedWheel
    truth: Truth
    video: Path
    known: VideoTruth


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
    filmed: Filmed,
    *,
    baselines: bool,
) -> dict[str, Any]:
    """Scores of masks, poses and mesh; beside the mesh, of single views and two baselines.

    Args:
        glb: The run's result.
        metadata: What the run returned.
        store: Store of its artifacts.
        chosen: The model that it used.
        filmed: What was filmed, and how.
        baselines: Whether single views and the baselines are scored, which takes a while.
    """
    known, truth = filmed.known, filmed.truth
    frames = artifact_of(store, metadata, StageName.EXTRACT).record["frames"]
    poses = PoseEstimate.read(artifact_of(store, metadata, StageName.ESTIMATE_POSES))
    cameras = true_cameras_of(known.cameras, frames)
    pose_scores, seen, fused = score_mesh(glb, poses, cameras, filmed.wheel, truth)
    masks = Masks.read(artifact_of(store, metadata, StageName.REMOVE_BACKGROUNDS))
    scores = {
        "environment": known.environment,
        "stages": {s["stage"]: s["made_s"] for s in metadata["stages"]},
        "masks": film_scores(_mask_scores(masks, frames, filmed)),
        "poses": {"method": poses.method, "motion": poses.motion, **pose_scores.to_dict()},
        "silhouette_iou": metadata["figures"].get("silhouette_iou"),
        "fused": fused,
        "appearance": _appearance(store, metadata, poses),
        "seen_share": float(seen.mean()),
        "verdict": metadata["verdict"],
        "reasons": [reason["code"] for reason in metadata["reasons"]],
    }
    if baselines:
        alphas = Masks.read(artifact_of(store, metadata, StageName.RECTIFY)).paths()
        coded = SceneCodes.read(artifact_of(store, metadata, StageName.INFER))
        scores |= _baselines(truth, poses, pose_scores, alphas, coded, cameras, chosen)
    return scores


def score_mesh(
    glb: Path,
    poses: PoseEstimate,
    cameras: Mapping[int, Camera],
    wheel: Tyre | ImportedWheel,
    truth: Truth,
) -> tuple[PoseScores, NDArray[np.bool_], dict[str, Any]]:
    """Scores of poses and mesh, and which of the truth's visible samples ``(N,)`` the film shows.

    Args:
        glb: The mesh.
        poses: Its cameras.
        cameras: True ones of the same frames by index, in the wheel's frame.
        wheel: What was filmed.
        truth: Samples of its surface.
    """
    pose_scores = score_poses(poses, cameras)
    seen = seen_by(wheel, truth, list(cameras.values()))
    return pose_scores, seen, score_result(_closed(glb), truth, pose_scores.to_truth, seen)


def _closed(glb: Path) -> trimesh.Trimesh:
    """The mesh of a GLB, closed where the texture cut it open."""
    mesh = read_glb(glb.read_bytes())
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)  # vertices at one place are one


def _appearance(
    store: ArtifactStore, metadata: Mapping[str, Any], poses: PoseEstimate
) -> dict[str, float]:
    """How much the mesh looks like the frames that the merge held out."""
    views = artifact_of(store, metadata, StageName.RECTIFY)
    alphas = Masks.read(views).paths()
    return score_appearance(
        load_mesh(artifact_of(store, metadata, MESH_STAGE)),
        load_atlas(artifact_of(store, metadata, StageName.ATLAS)),
        poses.cameras,
        Frames.read(views).paths(alphas),
        alphas,
        Selection.read(artifact_of(store, metadata, StageName.SELECT)).held_out,
    )


def _mask_scores(
    masks: Masks, frames: Sequence[Mapping[str, Any]], filmed: Filmed
) -> list[MaskScores]:
    """Scores of all usable masks, at the size of their frames."""
    labels_of = true_labels(filmed.video, filmed.known, filmed.wheel)
    source = {int(f["index"]): int(f["source"]) for f in frames}
    scores = []
    for mask in masks.usable:
        alpha = read_mask(masks.folder / mask.file)
        labels = cv2.resize(
            labels_of(source[mask.index]), alpha.shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        parts = read_grey(masks.folder / mask.parts) if mask.parts else None
        scores.append(score_mask(foreground(alpha), np.asarray(labels, np.uint8), parts))
    return scores


def _baselines(
    truth: Truth,
    poses: PoseEstimate,
    pose_scores: PoseScores,
    alphas: Mapping[int, Path],
    coded: SceneCodes,
    cameras: Mapping[int, Camera],
    chosen: ChosenModel,
) -> dict[str, Any]:
    """Scores of every single view, of the best annulus and of the visual hull."""
    model = load_model(chosen.folder, chosen.weight_name, chosen.digest, "cpu")
    hull = rotated(visual_hull(poses, alphas, truth.diameter), pose_scores.to_truth)
    ratio, ring = best_annulus(truth)
    with _quiet("tsr.surface.extract"):  # thin parts of single views are no news here
        single = [
            single_view(model, code, frame, cameras[frame.index], truth)
            for code, frame in zip(coded.codes, coded.frames, strict=True)
        ]
    return {
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
