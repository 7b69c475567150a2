"""A pose hypothesis: cameras, the solid fitted to their outlines, and whether both can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from configs.stages import PoseConfig
from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.poses.film import Film
from tasks.poses.fit_solid import fit_solid
from tasks.poses.motion import arc_deg, path_jump_deg, turning_axis
from tasks.poses.outline import Outline
from tasks.poses.sfm import SfmError, SfmSession
from tasks.poses.solid import Solid, Views

MIN_FRAMES = 3

LOST_AGREEMENT = 0.35
"""A camera whose mask agrees less with the solid is lost: its pose or its mask is wrong. Outlines
that have nothing to do with each other, one over the other, agree by about so much."""

CONVINCING_SHARE = 0.9
"""With fewer frames registered, other ways are tried too and the best is taken."""


@dataclass(frozen=True)
class Hypothesis:
    """Cameras with the solid fitted to them.

    Args:
        method: How the cameras were found.
        cameras: Cameras by frame index, without those that contradict their masks.
        solid: The tyre.
        agreements: How far the mask's contour follows the solid's, by frame index
            (:attr:`tasks.poses.solid.Agreement.score`).
        figures: What is recorded of it.
        refused: Why it cannot be right, in words; empty where it can.
        assumption: What was assumed, not measured, in words.
        lens: The lens of the frames, behind which the cameras are pinholes.
    """

    method: str
    cameras: dict[int, Camera]
    solid: Solid
    agreements: dict[int, float]
    figures: dict[str, float]
    refused: str
    assumption: str = ""
    lens: Lens = field(default_factory=Lens)

    @property
    def doubt(self) -> float:
        """Residual of the outlines in percent, and more as frames or parts of outlines lack."""
        explained = self.figures["registered_share"] * self.figures["outline_agreement"]
        return self.figures["outline_residual_percent"] / explained**2

    def leaps(self, config: PoseConfig) -> bool:
        """Whether the camera would have leapt from one frame to the next."""
        return self.figures.get("path_jump_deg", 0.0) > config.max_jump_deg

    def is_convincing(self, config: PoseConfig) -> bool:
        """Whether no further hypothesis is needed."""
        if self.refused or self.leaps(config):
            return False
        doubtful = [v for v in self.agreements.values() if v < config.flag_agreement]
        complete = self.figures.get("registered_share", 0.0) >= CONVINCING_SHARE
        return complete and len(doubtful) <= 0.1 * len(self.agreements)

    def turns_about_one_axis(self) -> bool:
        """Whether the cameras turn about one axis of the world only."""
        return turning_axis(list(self.cameras.values()))[1] > 0.97

    def turns_on_axle(self) -> bool:
        """Whether the cameras turn about the solid's axle only."""
        axis, share = turning_axis(list(self.cameras.values()))
        return share > 0.97 and bool(abs(axis @ self.solid.axle) > np.cos(np.radians(6.0)))


def refusal(reason: str) -> Hypothesis:
    """The hypothesis of a method that found no cameras at all."""
    nothing = Solid(np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, 0.4, np.zeros((2, 5)))
    return Hypothesis("none", {}, nothing, {}, {}, reason)


def reconstructed(method: str, session: SfmSession, film: Film) -> Hypothesis:
    """Cameras by structure from motion, with the solid fitted to them."""
    total, config = len(film.frame_paths), film.config
    try:
        found = session.reconstruct()
    except SfmError as exc:
        return refusal(f"{method}: {exc}")
    outlines = film.outlines_through(found.lens, next(iter(found.cameras.values())))
    used = [i for i in found.cameras if i in outlines]
    if len(found.cameras) < config.min_registered_share * total or len(used) < MIN_FRAMES:
        return refusal(f"{method}: {len(found.cameras)} of {total} frames registered")
    solid = fit_solid(Views([found.cameras[i] for i in used], [outlines[i] for i in used]))
    hypothesis = judged(method, found.cameras, solid, outlines, total, config)
    hypothesis.figures["reprojection_px"] = found.error_px
    hypothesis.figures["sparse_points"] = float(len(found.points))
    return replace(hypothesis, lens=found.lens)


def judged(
    method: str,
    cameras: dict[int, Camera],
    solid: Solid,
    outlines: Mapping[int, Outline],
    total: int,
    config: PoseConfig,
) -> Hypothesis:
    """How well cameras and solid explain the masks; drops cameras that do not at all."""
    used = [i for i in cameras if i in outlines]
    views = Views([cameras[i] for i in used], [outlines[i] for i in used])
    found = dict(zip(used, views.agreement(solid).score.tolist(), strict=True))
    kept = {i: c for i, c in cameras.items() if found.get(i, 1.0) >= LOST_AGREEMENT}
    agreements = {i: v for i, v in found.items() if i in kept}
    typical = float(np.median(np.array(list(found.values()), dtype=np.float64)))
    arc = arc_deg(list(kept.values()), solid.centre) if kept else 0.0
    depth = np.array([c.project(solid.centre[None])[0, 2] for c in kept.values()])
    share = len(kept) / total
    refused = ""
    if share < config.min_registered_share or len(agreements) < MIN_FRAMES:
        refused = f"{method}: only {len(kept)} of {total} cameras agree with the masks"
    elif typical < config.min_agreement:
        refused = f"{method}: the masks agree with the fitted tyre by {typical:.2f} only"
    elif arc < config.min_arc_deg:
        refused = f"{method}: the cameras span {arc:.0f} degrees only"
    elif np.mean(depth > 1.05 * solid.half_width) < 0.9:
        refused = f"{method}: the tyre lies behind the cameras"
    figures = {
        "registered_share": share,
        "arc_deg": arc,
        "path_jump_deg": path_jump_deg(kept, solid.centre),
        "outline_residual_percent": float(np.median(np.abs(views.misfit(solid).error))),
        "outline_agreement": typical,
        "cameras_dropped": float(len(cameras) - len(kept)),
    }
    return Hypothesis(method, kept, solid, agreements, figures, refused)
