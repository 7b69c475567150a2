"""Stage *estimate poses*: cameras of the frames and the tyre as a solid of revolution.

Structure from motion gives the cameras: on whole frames where the background moves with the
tyre, on the tyre alone where the background stands still. The solid is fitted to the masks'
outlines, which is also the test of the cameras. Where structure from motion fails, a constant
rate is assumed, and a warning says so.

Structure from motion: Schönberger and Frahm, Structure-from-motion revisited, CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import PoseConfig, StageName
from tasks.core.errors import ReconstructionError
from tasks.core.repeatable import compute_repeatably
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_mask, write_image
from tasks.imaging.masks import foreground
from tasks.poses.motion import (
    Background,
    arc_deg,
    detect_changes,
    name_motion,
    turning_axis,
    world_up,
)
from tasks.poses.outline import Outline, read_outline
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.poses.sfm import SfmError, SfmSession, pairs_to_match
from tasks.poses.solid import Solid, Views, fit_solid
from tasks.poses.steady_orbit import steady_orbit
from tasks.poses.steady_spin import outlines_alike, steady_spin

__all__ = ["PoseConfig", "estimate_poses"]

FloatArray = NDArray[np.float64]
MIN_FRAMES = 3

LOST_IOU = 0.5
"""A camera whose mask overlaps the fitted solid less is lost: its pose or its mask is wrong."""

CONVINCING_SHARE = 0.9
"""With fewer frames registered, other ways are tried too and the best is taken."""


@dataclass(frozen=True)
class _Hypothesis:
    """A pose hypothesis: cameras with the solid fitted to them, and why it is refused, if it is."""

    method: str
    cameras: dict[int, Camera]
    solid: Solid
    overlaps: dict[int, float]
    figures: dict[str, float]
    refused: str
    assumption: str = ""

    @property
    def doubt(self) -> float:
        """Residual of the outlines in percent, and more as frames are missing."""
        return self.figures["outline_residual_percent"] / self.figures["registered_share"] ** 2

    def is_convincing(self, config: PoseConfig) -> bool:
        """Whether no further hypothesis is needed."""
        doubtful = [v for v in self.overlaps.values() if v < config.flag_iou]
        complete = self.figures.get("registered_share", 0.0) >= CONVINCING_SHARE
        return not self.refused and complete and len(doubtful) <= 0.1 * len(self.overlaps)


def estimate_poses(
    frame_paths: dict[int, Path],
    alpha_paths: dict[int, Path],
    times_s: dict[int, float],
    config: PoseConfig,
    scratch_dir: Path,
) -> PoseEstimate:
    """Estimate the frames' cameras and the tyre's centre, axle and size.

    Args:
        frame_paths: Images by frame index.
        alpha_paths: 8-bit masks by frame index, of the frames' sizes.
        times_s: Time of each frame in seconds.
        config: Parameters of the stage.
        scratch_dir: An existing folder for intermediate files.

    Returns:
        Cameras of the registered frames and the tyre, in one world of arbitrary scale.

    Raises:
        ReconstructionError: Too few frames show a tyre, or no method explains the masks.
    """
    compute_repeatably()
    outlines = _outlines(alpha_paths)
    hypotheses: list[_Hypothesis] = []
    changes = detect_changes(frame_paths, outlines)
    background: Background = "still" if config.motion == "spin" else changes.background
    if background != "still":
        for low_contrast in (False, True):
            folder = scratch_dir / ("low-contrast" if low_contrast else "full-contrast")
            session = SfmSession(frame_paths, folder, config, low_contrast=low_contrast)
            # features of low contrast match by mistake: one end of the video the other, for example
            session.match(pairs_to_match(session.indices, config, closed=not low_contrast))
            method = "sfm-low-contrast" if low_contrast else "sfm"
            hypothesis = _hypothesis_of(method, session, outlines, len(frame_paths), config)
            if hypothesis.is_convincing(config):
                return _estimate(hypothesis, outlines, config, still=False)
            hypotheses.append(hypothesis)
    moving = changes.moving if changes.background == "still" else None
    masks = _inner_masks(alpha_paths, outlines, moving, scratch_dir / "inner")
    seen = {i: frame_paths[i] for i in masks}
    session = SfmSession(seen, scratch_dir / "tyre", config, masks, low_contrast=True)
    session.match(pairs_to_match(session.indices, config))
    hypothesis = _hypothesis_of("sfm-masked", session, outlines, len(frame_paths), config)
    spins = config.motion == "spin" or (background == "still" and outlines_alike(outlines))
    if spins and not hypothesis.refused and not _turns_on_axle(hypothesis):
        hypothesis = replace(hypothesis, refused="sfm-masked: the tyre does not turn on its axle")
    hypotheses.append(hypothesis)
    found = [a for a in hypotheses if not a.refused]
    if found:
        best = min(found, key=lambda a: a.doubt)
        return _estimate(best, outlines, config, still=background == "still")
    refused = [a.refused for a in hypotheses]
    hypothesis = _assume_steady_motion(
        session, outlines, times_s, len(frame_paths), config, background
    )
    if not hypothesis.refused:
        assumed = _estimate(hypothesis, outlines, config, still=background == "still")
        reason = "structure from motion failed (" + "; ".join(refused) + "); "
        return replace(assumed, warnings=(reason + hypothesis.assumption, *assumed.warnings))
    raise ReconstructionError(
        "poses-failed",
        stage=StageName.ESTIMATE_POSES,
        what="no camera poses were found (" + "; ".join([*refused, hypothesis.refused]) + ")",
        advice="Film slowly around the tyre, whole tyre in view, before a textured background.",
    )


def _turns_on_axle(hypothesis: _Hypothesis) -> bool:
    """Whether the cameras turn about the fitted axle only; repeated spokes mislead the matching."""
    axis, share = turning_axis(list(hypothesis.cameras.values()))
    return share > 0.97 and bool(abs(axis @ hypothesis.solid.axle) > np.cos(np.radians(6.0)))


def _assume_steady_motion(
    session: SfmSession,
    outlines: Mapping[int, Outline],
    times_s: Mapping[int, float],
    total: int,
    config: PoseConfig,
    background: Background,
) -> _Hypothesis:
    """Cameras from the outlines alone, for a spin or an orbit at a steady rate."""
    spins = config.motion == "auto" and background != "moving" and outlines_alike(outlines)
    if config.motion == "spin" or spins:
        following = list(pairwise(session.indices))
        steady = steady_spin(
            outlines, times_s, session.raw_matches(following), config.prior_fov_deg
        )
        method = "steady-spin"
        how = "the rotation was followed on the face" if steady.measured else "one turn is assumed"
        assumption = f"a tyre that spins {steady.sweep_deg:.0f} degrees on its axle: {how}"
    else:
        steady = steady_orbit(outlines, times_s, config.prior_fov_deg)
        method = "steady-orbit"
        assumption = f"a steady orbit over {steady.sweep_deg:.0f} degrees fits the outlines"
    assumption += f"; a field of view of {config.prior_fov_deg:.0f} degrees is assumed"
    hypothesis = _measure(method, steady.cameras, steady.solid, outlines, total, config)
    return replace(hypothesis, assumption=assumption)


def _outlines(alpha_paths: Mapping[int, Path]) -> dict[int, Outline]:
    """Outlines of the frames that show an object; refuses a video with hardly any."""
    found = {i: read_outline(p) for i, p in sorted(alpha_paths.items())}
    outlines = {i: o for i, o in found.items() if o is not None and o.valid.mean() > 0.5}
    if len(outlines) < MIN_FRAMES:
        raise ReconstructionError(
            "poses-no-tyre",
            stage=StageName.ESTIMATE_POSES,
            what=f"only {len(outlines)} of {len(alpha_paths)} frames show a whole object",
            advice="Film one tyre so that it is in view as a whole.",
        )
    return outlines


def _inner_masks(
    alpha_paths: Mapping[int, Path],
    outlines: Mapping[int, Outline],
    moving: NDArray[np.bool_] | None,
    folder: Path,
) -> dict[int, Path]:
    """Masks shrunk by a few pixels, so that features do not mix tyre and background.

    Before a fixed camera whatever moves (a turntable, say) moves with the tyre and is added.
    """
    folder.mkdir(exist_ok=True)
    written: dict[int, Path] = {}
    for i, outline in outlines.items():
        alpha = read_mask(alpha_paths[i])
        margin = max(2, round(0.01 * outline.size))
        inside = np.where(foreground(alpha), 255, 0).astype(np.uint8)
        shrunk = cv2.erode(inside, np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
        if moving is not None:
            hull = np.zeros_like(inside)
            cv2.fillConvexPoly(hull, outline.hull.round().astype(np.int32), 255)
            near = cv2.dilate(hull, np.ones((6 * margin + 1, 6 * margin + 1), np.uint8)) > 0
            shrunk = np.where(moving & ~near, 255, shrunk).astype(np.uint8)
        written[i] = folder / f"{i:06d}.png"
        write_image(written[i], shrunk)
    return written


def _hypothesis_of(
    method: str,
    session: SfmSession,
    outlines: Mapping[int, Outline],
    total: int,
    config: PoseConfig,
) -> _Hypothesis:
    """Find cameras, fit the solid to them and decide whether they can be right."""
    try:
        found = session.reconstruct()
    except SfmError as exc:
        return _refusal(f"{method}: {exc}")
    used = [i for i in found.cameras if i in outlines]
    if len(found.cameras) < config.min_registered_share * total or len(used) < MIN_FRAMES:
        return _refusal(f"{method}: {len(found.cameras)} of {total} frames registered")
    solid = fit_solid(Views([found.cameras[i] for i in used], [outlines[i] for i in used]))
    hypothesis = _measure(method, found.cameras, solid, outlines, total, config)
    hypothesis.figures["reprojection_px"] = found.error_px
    hypothesis.figures["sparse_points"] = float(len(found.points))
    return hypothesis


def _measure(
    method: str,
    cameras: dict[int, Camera],
    solid: Solid,
    outlines: Mapping[int, Outline],
    total: int,
    config: PoseConfig,
) -> _Hypothesis:
    """How well cameras and solid explain the masks; drops cameras that do not at all."""
    used = [i for i in cameras if i in outlines]
    views = Views([cameras[i] for i in used], [outlines[i] for i in used])
    shares = dict(zip(used, views.overlaps(solid).tolist(), strict=True))
    kept = {i: c for i, c in cameras.items() if shares.get(i, 1.0) >= LOST_IOU}
    overlaps = {i: v for i, v in shares.items() if i in kept}
    typical = float(np.median(np.array(list(shares.values()), dtype=np.float64)))
    arc = arc_deg(list(kept.values()), solid.centre) if kept else 0.0
    depth = np.array([c.project(solid.centre[None])[0, 2] for c in kept.values()])
    share = len(kept) / total
    refused = ""
    if share < config.min_registered_share or len(overlaps) < MIN_FRAMES:
        refused = f"{method}: only {len(kept)} of {total} cameras agree with the masks"
    elif typical < config.min_silhouette_iou:
        refused = f"{method}: the masks overlap the fitted tyre by {typical:.2f} only"
    elif arc < config.min_arc_deg:
        refused = f"{method}: the cameras span {arc:.0f} degrees only"
    elif np.mean(depth > 1.05 * solid.half_width) < 0.9:
        refused = f"{method}: the tyre lies behind the cameras"
    figures = {
        "registered_share": share,
        "arc_deg": arc,
        "outline_residual_percent": float(np.median(np.abs(views.residuals(solid)))),
        "cameras_dropped": float(len(cameras) - len(kept)),
    }
    return _Hypothesis(method, kept, solid, overlaps, figures, refused)


def _refusal(reason: str) -> _Hypothesis:
    nothing = Solid(np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, 0.4, np.zeros((2, 5)))
    return _Hypothesis("none", {}, nothing, {}, {}, reason)


def _estimate(
    hypothesis: _Hypothesis, outlines: Mapping[int, Outline], config: PoseConfig, *, still: bool
) -> PoseEstimate:
    """Orient the solid and write down figures and warnings."""
    cameras = [hypothesis.cameras[i] for i in sorted(hypothesis.cameras)]
    solid = hypothesis.solid
    axle = _towards_better_seen_face(solid, cameras)
    rising = world_up(cameras)
    motion = name_motion(cameras, solid.centre, axle, rising, still=still)
    if motion == "spin":
        rising = -cameras[0].rotation[1]
    elif config.motion == "orbit":
        motion = "orbit"
    warnings: list[str] = []
    lean = float(np.degrees(np.arcsin(np.clip(abs(rising @ axle), 0.0, 1.0))))
    if lean > 60.0:
        warnings.append("the tyre lies on its side; up is taken from the first frame")
        rising = -cameras[0].rotation[1]
    up = rising - (rising @ axle) * axle
    up /= np.linalg.norm(up)
    values = np.array(list(hypothesis.overlaps.values()))
    doubtful = [i for i, v in hypothesis.overlaps.items() if v < config.flag_iou]
    if doubtful:
        listed = ", ".join(str(i) for i in doubtful[:12])
        warnings.append(f"masks of {len(doubtful)} frames disagree with the solid: {listed}")
    views = np.stack([c.centre - solid.centre for c in cameras])
    if float(np.min(views @ axle / np.linalg.norm(views, axis=1))) > 0.17:  # 10 degrees
        warnings.append("one face only was seen; the width is uncertain")
    missing = len(outlines) - len(hypothesis.overlaps)
    if missing > 0:
        warnings.append(f"{missing} frames with a mask have no pose")
    figures = {
        **hypothesis.figures,
        "silhouette_iou_mean": float(values.mean()),
        "silhouette_iou_worst": float(values.min()),
        "doubtful_masks": float(len(doubtful)),
        "axle_lean_deg": lean,
    }
    tyre = ObjectEstimate(solid.centre, axle, up, solid.radius, solid.half_width)
    return PoseEstimate(
        hypothesis.method, motion, hypothesis.cameras, tyre, figures, tuple(warnings)
    )


def _towards_better_seen_face(solid: Solid, cameras: list[Camera]) -> FloatArray:
    """The axle with the sign of the face that the cameras see more of; of equals, see first."""
    away = np.stack([c.centre - solid.centre for c in cameras])
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    facing = away @ solid.axle
    ahead, behind = np.clip(facing, 0, None).sum(), np.clip(-facing, 0, None).sum()
    if abs(ahead - behind) > 0.1 * (ahead + behind):
        return solid.axle if ahead > behind else -solid.axle
    first = facing[np.abs(facing) > 0.3]
    return solid.axle if len(first) == 0 or first[0] > 0 else -solid.axle
