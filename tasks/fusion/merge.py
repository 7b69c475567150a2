"""Merge: the fields of the chosen frames become one closed, coloured surface in the tyre frame.

In this order: the tyre frame, the outer profile and axle from all outlines, every frame's field in
one cylindrical grid, the photo consistency of a plane sweep, one fused field, marching cubes
(Lorensen and Cline, Marching cubes, SIGGRAPH 1987), colours from the frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from configs.stages import MergeConfig, StageName
from tasks.core.errors import ReconstructionError
from tasks.core.parallel import in_threads
from tasks.core.phrasing import counted
from tasks.core.repeatable import compute_repeatably
from tasks.fusion.decision.fuse import FusedField, fuse_learned, fuse_weighted
from tasks.fusion.decision.network import Fuser
from tasks.fusion.evidence.fields import (
    FrameField,
    NetworkField,
    PosedField,
)
from tasks.fusion.evidence.gather import Evidence, gather_evidence
from tasks.fusion.evidence.plane_sweep import PhotoConsistency, photo_consistency
from tasks.fusion.evidence.profile import ProfileFit, fit_profile
from tasks.fusion.evidence.visual_hull import mean_silhouette_iou
from tasks.fusion.grid import CylinderGrid, gradient_norm
from tasks.fusion.surface.colour import Colouring, colour_surface
from tasks.fusion.surface.marching import (
    TriangleMesh,
    cartesian_field,
    is_watertight,
    march,
    outer_radius,
    signed_volume,
    simplify,
    smooth,
)
from tasks.fusion.surface.visibility import caster_of, depth_map
from tasks.fusion.views import TyrePlacement, View, load_views, place_tyre, repose_views
from tasks.geometry.camera import Camera
from tasks.geometry.crop import CodedFrame, world_to_crop_frame
from tasks.imaging.masks import largest_filled
from tasks.mesh.merged import MergedMesh
from tasks.poses.record import PoseEstimate
from tsr.system import TSR

__all__ = ["MergeConfig", "merge_fields", "merge_frame_fields"]


def merge_fields(
    model: TSR,
    scene_codes: torch.Tensor,
    coded_frames: Sequence[CodedFrame],
    poses: PoseEstimate,
    frame_paths: dict[int, Path],
    alpha_paths: dict[int, Path],
    config: MergeConfig,
    fuser: Fuser | None = None,
) -> MergedMesh:
    """Merge the scene codes of the chosen frames into one mesh.

    Args:
        model: The network that made the codes.
        scene_codes: ``(N, 3, C, H, W)``, one per chosen frame.
        coded_frames: ``N`` chosen frames with the crops that the network saw.
        poses: Cameras of the registered frames and the first estimate of the tyre.
        frame_paths: Images of all candidate frames, by frame index.
        alpha_paths: Masks of all candidate frames, by frame index.
        config: Parameters.
        fuser: The model's fusing network; without one, weights set by hand decide.

    Returns:
        A closed mesh in the tyre frame, metres.

    Raises:
        ReconstructionError: No chosen frame has a pose, or the fused field is empty.
    """
    fields = {
        frame.index: NetworkField(model, code)
        for frame, code in zip(coded_frames, scene_codes, strict=True)
    }
    return merge_frame_fields(fields, coded_frames, poses, frame_paths, alpha_paths, config, fuser)


def merge_frame_fields(
    fields: Mapping[int, FrameField],
    coded_frames: Sequence[CodedFrame],
    poses: PoseEstimate,
    frame_paths: dict[int, Path],
    alpha_paths: dict[int, Path],
    config: MergeConfig,
    fuser: Fuser | None = None,
) -> MergedMesh:
    """Merge fields of any origin; see :func:`merge_fields`."""
    compute_repeatably()
    gathered = gather(fields, coded_frames, poses, frame_paths, alpha_paths, config)
    if fuser is not None:
        fused = fuse_learned(gathered.evidence, gathered.fit, fuser, config)
    else:
        fused = fuse_weighted(gathered.evidence, gathered.fit, config)
    surface = _surface(fused, config)
    if surface is None:
        raise ReconstructionError(
            "merge-empty",
            stage=StageName.MERGE,
            what=f"the fused field of {counted(len(fused.fields), 'frame')} is empty",
            advice="Check the masks and the poses; film the tyre alone against a plain ground",
        )
    colouring = _colour(
        surface, fused.fields, gathered.views, gathered.cameras, frame_paths, config
    )
    return _finish(surface, fused, colouring, gathered, config)


@dataclass(frozen=True)
class Gathered:
    """All that is known of a tyre before its surface is decided.

    Args:
        placement: The tyre frame in the world.
        fit: Outer profile and axle.
        views: Masks of the posed frames.
        cameras: Cameras of the full-size frames, in the tyre frame, by frame index.
        evidence: Evidence in the common grid.
    """

    placement: TyrePlacement
    fit: ProfileFit
    views: list[View]
    cameras: dict[int, Camera]
    evidence: Evidence

    @property
    def trusted(self) -> list[View]:
        """The views whose masks lack no part of the tyre."""
        return [v for v in self.views if v.index not in self.fit.outliers]


def gather(
    fields: Mapping[int, FrameField],
    coded_frames: Sequence[CodedFrame],
    poses: PoseEstimate,
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    config: MergeConfig,
) -> Gathered:
    """Place the tyre, fit its outlines, and bring fields and photos into one grid.

    Args:
        fields: Fields by frame index.
        coded_frames: Chosen frames with the crops that the network saw.
        poses: Cameras of the registered frames and the first estimate of the tyre.
        frame_paths: Images of all candidate frames, by frame index.
        alpha_paths: Masks of all candidate frames, by frame index.
        config: Parameters.

    Raises:
        ReconstructionError: No chosen frame has a pose.
    """
    compute_repeatably()
    chosen = [f for f in coded_frames if f.index in poses.cameras and f.index in fields]
    if not chosen:
        raise ReconstructionError(
            "merge-no-pose",
            stage=StageName.MERGE,
            what="none of the chosen frames has a pose",
            advice="Use a video in which the camera moves around the tyre, or state the motion",
        )
    placement = place_tyre(poses.tyre, _diameter_m(config))
    views = load_views(poses.cameras, alpha_paths, placement, longest_px=config.mask_px)
    placement, fit, views = _fit_outlines(views, poses, placement, config)
    cameras = {i: placement.camera(c) for i, c in poses.cameras.items()}

    def sweep(grid: CylinderGrid) -> dict[int, PhotoConsistency]:
        sides = (1, -1)
        found = in_threads(lambda s: photo_consistency(grid, cameras, frame_paths, s), sides)
        return {side: c for side, c in zip(sides, found, strict=True) if c is not None}

    posed = _pose_fields(fields, chosen, poses, placement)
    trusted = [v for v in views if v.index not in fit.outliers]
    evidence = gather_evidence(posed, trusted, fit, sweep, config)
    return Gathered(placement, fit, views, cameras, evidence)


def _fit_outlines(
    views: list[View], poses: PoseEstimate, placement: TyrePlacement, config: MergeConfig
) -> tuple[TyrePlacement, ProfileFit, list[View]]:
    """Fit axle, centre and outer profile to the outlines and place the tyre frame by them."""
    radius = _diameter_m(config) / 2
    half_width = poses.tyre.half_width * placement.scale
    fit = fit_profile(views, radius, half_width)
    placement = placement.moved(fit.rotation, fit.shift, 1.0)
    return placement, fit, repose_views(views, poses.cameras, placement)


def _pose_fields(
    fields: Mapping[int, FrameField],
    chosen: Sequence[CodedFrame],
    poses: PoseEstimate,
    placement: TyrePlacement,
) -> list[PosedField]:
    posed = []
    for frame in chosen:
        camera = placement.camera(poses.cameras[frame.index])
        to_crop = world_to_crop_frame(camera, frame.crop, np.zeros(3))
        posed.append(PosedField(frame.index, fields[frame.index], camera, to_crop))
    return posed


def _surface(fused: FusedField, config: MergeConfig) -> TriangleMesh | None:
    volume, origin, voxel = cartesian_field(
        fused.grid, fused.field, config.mc_resolution, outside=-config.max_log_density
    )
    spacing_z = (fused.grid.heights[-1] - fused.grid.heights[0]) / (volume.shape[2] - 2)
    surface = march(volume, origin, (voxel, voxel, float(spacing_z)))
    if surface is None:
        return None
    return simplify(smooth(surface, rounds=config.smoothing_rounds), config.face_budget)


def _colour(
    surface: TriangleMesh,
    posed: Sequence[PosedField],
    views: Sequence[View],
    cameras: dict[int, Camera],
    frame_paths: dict[int, Path],
    config: MergeConfig,
) -> Colouring:
    return colour_surface(
        surface,
        cameras,
        frame_paths,
        {v.index: v.signed for v in views},
        posed,
        best=config.colour_frames,
        longest_px=config.colour_px,
        tolerance_m=0.004 * _diameter_m(config),
    )


def _finish(
    surface: TriangleMesh,
    fused: FusedField,
    colouring: Colouring,
    gathered: Gathered,
    config: MergeConfig,
) -> MergedMesh:
    """Scale to the diameter, centre, and write down provenance and figures."""
    fit, views = gathered.fit, gathered.trusted
    warnings: list[str] = []
    if fit.outliers:
        warnings.append(
            counted(
                len(fit.outliers),
                "outline lacks a part of the tyre and was left out",
                "outlines lack a part of the tyre and were left out",
            )
        )
    vertices = surface.vertices
    slope = gradient_norm(fused.grid, fused.field)
    std = fused.grid.sample(fused.std, vertices)
    steep = fused.grid.sample(slope, vertices)
    disagreement = np.minimum(std / np.maximum(steep, 1.0), 0.1 * _diameter_m(config))
    caster = caster_of(surface)
    hits = [largest_filled(depth_map(caster, v.camera, max(v.mask.shape)).hits) for v in views]
    iou, worst = mean_silhouette_iou(hits, views) if views else (math.nan, math.nan)

    scale = _diameter_m(config) / 2 / outer_radius(vertices)
    centre = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    placed = (vertices - centre) * scale
    scaled = TriangleMesh(placed, surface.faces)
    inferred = colouring.seen_by == 0
    closed = is_watertight(scaled)
    if not closed:
        warnings.append("the surface is not closed")
    if iou < 0.85:
        warnings.append(f"the mesh covers the masks by {iou:.2f} only; poses or masks may be wrong")
    figures = {
        "frames_fused": float(len(fused.fields)),
        "vertices": float(len(placed)),
        "faces": float(len(surface.faces)),
        "watertight": float(closed),
        "volume_m3": signed_volume(scaled),
        "width_mm": float(1000.0 * np.ptp(placed[:, 2])),
        "silhouette_iou": iou,
        "silhouette_iou_worst": worst,
        "outline_residual_px": fit.residual_px if math.isfinite(fit.residual_px) else -1.0,
        "outlier_masks": float(len(fit.outliers)),
        "disagreement_median_mm": float(1000.0 * np.median(disagreement) * scale),
        "share_inferred": float(inferred.mean()),
        "symmetry_order": float(fused.symmetry_order),
        "symmetry_kept": fused.kept,
    }
    return MergedMesh(
        vertices=placed.astype(np.float32),
        faces=surface.faces.astype(np.int32),
        colours=colouring.colours,
        seen_by=colouring.seen_by,
        disagreement=(disagreement * scale).astype(np.float32),
        inferred=np.asarray(inferred, np.bool_),
        figures=figures,
        warnings=tuple(warnings),
        from_world=gathered.placement.moved(np.eye(3), centre, scale).similarity,
    )


def _diameter_m(config: MergeConfig) -> float:
    return config.diameter_mm / 1000.0
