"""All that a mesh is judged by, as figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from configs.stages import JudgeConfig
from tasks.geometry.camera import Camera
from tasks.geometry.ray_caster import CENTIMETRES, RayCaster
from tasks.geometry.similarity import camera_moved
from tasks.imaging.images import read_image, read_mask
from tasks.imaging.masks import foreground, largest_filled
from tasks.imaging.resizing import bounded
from tasks.mesh.merged import MergedMesh
from tasks.poses.motion import path_jump_deg, turn_jump_deg
from tasks.poses.outline import read_outline
from tasks.poses.record import PoseEstimate
from tasks.surface.robust import finite_median
from tasks.verdict.coverage import PARTS, Way, face_steepness, parts_seen, unseen_hours, way_of
from tasks.verdict.outline_residuals import outline_misfit
from tasks.verdict.photos import photo_agreement, predict
from tasks.verdict.silhouettes import SilhouetteFit, clock_position, compare_silhouette
from tasks.verdict.split_half import compare_halves, scale_by_frame, scale_spread_percent
from tasks.verdict.turn_check import TurnCheck, check_turn
from tasks.video.frames import evenly

_BODY = 0.005
"""Components of fewer than this share of the vertices are crumbs, not bodies."""


@dataclass(frozen=True)
class Evidence:
    """What a mesh is judged by.

    Args:
        figures: By name, units in the names; not a number where it cannot be had.
        way: The way of the camera.
        stray_hour: Where in the images masks hold what the mesh does not, as hours on a clock.
        unseen_hours: Hours of the clock at which a part was not seen, by its name.
    """

    figures: dict[str, float]
    way: Way
    stray_hour: int | None
    unseen_hours: dict[str, list[int]]


def gather_evidence(
    mesh: MergedMesh,
    poses: PoseEstimate,
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    held_out: Sequence[int],
    total: int,
    config: JudgeConfig,
    corrections: Mapping[str, float] | None = None,
) -> Evidence:
    """Measure what speaks for and against a mesh.

    Args:
        mesh: The merged mesh.
        poses: Cameras and first estimate of the tyre.
        frame_paths: Images of the frames with a usable mask, by index.
        alpha_paths: Their masks.
        held_out: Frames that the merge did not use; without any, some that it used stand in.
        total: Number of candidate frames.
        config: Sizes and thresholds.
        corrections: Figures of the masks' correction by the fitted tyre, if they were corrected:
            masks and mesh then agree with that tyre; what was corrected speaks for or against it.
    """
    corrections = corrections or {}
    posed = sorted(set(poses.cameras) & set(frame_paths) & set(alpha_paths))
    judges = [i for i in held_out if i in posed] or posed[:: max(1, len(posed) // 6)]
    cameras = {i: camera_moved(poses.cameras[i], mesh.from_world) for i in judges}
    fits, agreements = _held_out(mesh, cameras, frame_paths, alpha_paths, config)
    outlines = {i: o for i in posed if (o := read_outline(alpha_paths[i])) is not None}
    halves = compare_halves(poses.cameras, outlines, poses.tyre)
    way = way_of(poses)
    outer, inner = face_steepness(way)
    seen = parts_seen(mesh)
    size = np.ptp(mesh.vertices, axis=0)
    nan = math.nan
    spins = poses.motion == "spin"
    photos = {i: frame_paths[i] for i in posed}
    turn = check_turn(poses, photos, config.judged_px) if spins else TurnCheck(nan, nan)
    looked_at = [posed[k] for k in evenly(len(posed), config.outlined_frames)]
    misfit = outline_misfit(
        mesh,
        {i: camera_moved(poses.cameras[i], mesh.from_world) for i in looked_at},
        frame_paths,
        alpha_paths,
    )
    figures = {
        "held_out_frames": float(len([i for i in held_out if i in posed])),
        "silhouette_iou": finite_median([f.iou for f in fits]),
        "silhouette_iou_worst": min((f.iou for f in fits), default=nan),
        "mesh_beyond_masks": finite_median([f.beyond for f in fits]),
        "masks_beyond_mesh": finite_median([f.missing for f in fits]),
        "masks_cut": corrections.get("mask_excess_median", nan),
        "masks_filled": corrections.get("mask_lack_median", nan),
        "outlines_off_percent": misfit.percent,
        "pixel_percent": misfit.pixel_percent,
        "photo_agreement": finite_median(agreements),
        "turn_agreement": turn.agreement,
        "turn_off_percent": turn.off_percent,
        "axle_apart_deg": poses.figures.get("axle_apart_deg", nan),
        "path_jump_deg": path_jump_deg(poses.cameras, poses.tyre.centre),
        "turn_jump_deg": turn_jump_deg(poses.cameras),
        "posed_share": len(poses.cameras) / max(total, 1),
        "seen_arc_deg": way.seen_deg,
        "outer_face_cosine": outer,
        "inner_face_cosine": inner,
        **{f"{name.replace(' ', '_')}_seen": share for name, share in seen.items()},
        "share_inferred": float(mesh.inferred.mean()),
        "halves_axle_deg": halves.axle_deg if halves else nan,
        "halves_centre_percent": halves.centre_percent if halves else nan,
        "halves_outline_percent": halves.outline_percent if halves else nan,
        "scale_spread_percent": scale_spread_percent(
            scale_by_frame(poses.cameras, outlines, poses.tyre)
        ),
        "width_ratio": float(size[2] / max(float(size[:2].max()), 1e-9)),
        "axle_lean_deg": poses.figures.get("axle_lean_deg", nan),
        "bodies": float(count_bodies(mesh)),
        "watertight": mesh.figures.get("watertight", nan),
    }
    return Evidence(
        figures, way, clock_position(fits), {part: unseen_hours(mesh, part) for part in PARTS}
    )


def _held_out(
    mesh: MergedMesh,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    config: JudgeConfig,
) -> tuple[list[SilhouetteFit], list[float]]:
    """Silhouettes and photo agreement of the frames that the mesh is judged by."""
    caster = RayCaster(mesh.vertices, mesh.faces, scale=CENTIMETRES)
    fits, agreements = [], []
    for index, camera in cameras.items():
        photo = bounded(read_image(frame_paths[index]), config.judged_px)
        height, width = photo.shape[:2]
        alpha = bounded(read_mask(alpha_paths[index]), config.judged_px)
        mask = foreground(alpha)
        predicted = predict(mesh, caster, camera.resized(width, height))
        fits.append(compare_silhouette(largest_filled(predicted.hits), largest_filled(mask)))
        agreements.append(photo_agreement(predicted, photo, mask))
    return fits, agreements


def count_bodies(mesh: MergedMesh) -> int:
    """Connected components of the mesh that are no crumbs."""
    count = len(mesh.vertices)
    a, b = mesh.faces[:, [0, 1, 2]].ravel(), mesh.faces[:, [1, 2, 0]].ravel()
    graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return int((np.bincount(labels) >= _BODY * count).sum())
