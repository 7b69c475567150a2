"""A pose hypothesis: cameras, the solid fitted to their outlines, and whether both can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.stages import PoseConfig
from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.geometry.rigid import nearest_rotation
from tasks.geometry.sphere import tangents
from tasks.poses.film import Film
from tasks.poses.fit_solid import fit_solid
from tasks.poses.lens_distortion import NEGLIGIBLE_PX, USUAL_K1, explains, lie_in_middle
from tasks.poses.motion import arc_deg, path_jump_deg, turn_jump_deg, turning_axis
from tasks.poses.observations import Observations
from tasks.poses.outline import Outline
from tasks.poses.outline_bundle import Scene, adjust_with_outlines, reprojection_px
from tasks.poses.patches import align_patches, in_all_frames
from tasks.poses.sfm import Reconstruction, SfmError, SfmSession
from tasks.poses.solid import Solid, Views

FloatArray = NDArray[np.float64]

MIN_FRAMES = 3

LOST_AGREEMENT = 0.35
"""A camera whose mask agrees less with the solid is lost: its pose or its mask is wrong. Outlines
that have nothing to do with each other, one over the other, agree by about so much."""

CONVINCING_SHARE = 0.9
"""With fewer frames registered, other ways are tried too and the best is taken."""

CONVINCING_DOUBT = 0.5
"""So they are beyond this doubt. Of a tyre that lay on a bare floor the cameras had hardly moved,
said whole frames, for its edges look alike from all sides: 0.6, where right ones have 0.1 to 0.4.
"""

SURE_DOUBT = 0.3
"""Below this doubt it is the masks that are wrong, however many: behind a post a tyre's outline is
followed where it is seen, by cameras that are right to 0.2 degrees."""

CONFIRMING_SHARE, CONFIRMING_DEG = 0.8, 1.0
"""Two ways that place this share of the cameras within so many degrees confirm each other."""

MAX_RISE = 1.1
"""Factor on the points' median error beyond which outlines have bent the cameras, and on the
outlines' doubt beyond which points have."""

SMALL_K1_GAIN = 0.005
"""Share by which a small coefficient must lower the mean reprojection error, where outlines are
adjusted too."""

SMALL_K1 = 0.01
"""A pinhole's coefficient came out at half of this in a small film, which takes 0.9 % off the focal
length; one of 0.06 that is left out adds ten."""

ENOUGH_POINTS = 300
"""Points of a frame that are enough for its pose. Those that most frames see are taken, which tie
the path together: of a tyre on a stand they leave 0.7 degrees where all points leave 1.4."""

MIN_ALIGNED = 12
"""Fewest aligned points of every frame with which the others are not needed."""

REFINING_TURNS = 2
"""How often points are looked for in all frames, and cameras adjusted to what was found."""

MOST_OFF_PX = 2.0
"""Distance from where the adjusted scene has a point at which another place was taken for it."""


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
        refine: Finds the same cameras more exactly, which takes a while; None where nothing can.
    """

    method: str
    cameras: dict[int, Camera]
    solid: Solid
    agreements: dict[int, float]
    figures: dict[str, float]
    refused: str
    assumption: str = ""
    lens: Lens = field(default_factory=Lens)
    refine: Callable[[], Hypothesis] | None = None

    def refined(self) -> Hypothesis:
        """The same cameras more exactly, for one that is believed; itself if masks doubt them."""
        closer = self if self.refine is None else self.refine()
        return self if closer.refused or closer.doubt > MAX_RISE * self.doubt else closer

    @property
    def doubt(self) -> float:
        """Residual of the outlines in percent, and more as frames or parts of outlines lack."""
        explained = self.figures["registered_share"] * self.figures["outline_agreement"]
        return self.figures["outline_residual_percent"] / explained**2

    def leaps(self, config: PoseConfig) -> bool:
        """Whether the camera would have leapt, or turned at once, from one frame to the next."""
        return (
            self.figures.get("path_jump_deg", 0.0) > config.max_jump_deg
            or self.figures.get("turn_jump_deg", 0.0) > config.max_turn_jump_deg
        )

    def is_convincing(self, config: PoseConfig, others: Sequence[Hypothesis] = ()) -> bool:
        """Whether no further hypothesis is needed.

        Args:
            config: Parameters of the stage.
            others: What was found in other ways; itself does not count.
        """
        if self.refused or self.leaps(config) or self.doubt > CONVINCING_DOUBT:
            return False
        if self.figures.get("registered_share", 0.0) < CONVINCING_SHARE:
            return False
        doubtful = [v for v in self.agreements.values() if v < config.flag_agreement]
        few = len(doubtful) <= 0.1 * len(self.agreements)
        return (
            few
            or self.doubt <= SURE_DOUBT
            or any(self.agrees_with(h) for h in others if h is not self)
        )

    def agrees_with(self, other: Hypothesis) -> bool:
        """Whether most frames have the same camera in both, and so the same axle."""
        shared = self.cameras.keys() & other.cameras.keys()
        if other.refused or len(shared) < CONFIRMING_SHARE * len(self.cameras):
            return False
        ours, theirs = (
            np.stack([h.cameras[i].rotation @ _tyre_axes(h.solid.axle) for i in sorted(shared)])
            for h in (self, other)
        )
        # About the axle and in its sense, a solid's axes are arbitrary: one rotation is free.
        free = nearest_rotation(np.einsum("nji,njk->ik", theirs, ours))
        cosines = (np.einsum("nij,nij->n", theirs @ free, ours) - 1.0) / 2.0
        apart = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
        tilt = np.degrees(np.arccos(np.clip(abs(free[2, 2]), 0.0, 1.0)))
        return bool(max(tilt, np.quantile(apart, CONFIRMING_SHARE)) <= CONFIRMING_DEG)

    def turns_about_one_axis(self) -> bool:
        """Whether the cameras turn about one axis of the world only."""
        return turning_axis(list(self.cameras.values()))[1] > 0.97

    def turns_on_axle(self) -> bool:
        """Whether the cameras turn about the solid's axle only."""
        axis, share = turning_axis(list(self.cameras.values()))
        return share > 0.97 and bool(abs(axis @ self.solid.axle) > np.cos(np.radians(6.0)))


def _tyre_axes(axle: FloatArray) -> FloatArray:
    """``(3, 3)`` columns are axes of the tyre in the world, the axle last."""
    return np.stack([*tangents(axle), axle], axis=1)


def refusal(reason: str) -> Hypothesis:
    """The hypothesis of a method that found no cameras at all."""
    nothing = Solid(np.zeros(3), np.array([0.0, 0.0, 1.0]), 1.0, 0.4, np.zeros((2, 5)))
    return Hypothesis("none", {}, nothing, {}, {}, reason)


def reconstructed(method: str, session: SfmSession, film: Film) -> Hypothesis:
    """Cameras by structure from motion, with the solid fitted to them, both adjusted together."""
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
    # Cameras of a bent path miss their masks until both are adjusted; which are lost shows then.
    adjusted = _adjusted(found, solid, film)
    if adjusted is not None:
        hypothesis = _hypothesis_of(method, found, adjusted, film)
        return replace(
            hypothesis,
            refine=lambda: _hypothesis_of(method, found, _refined(found, adjusted, film), film),
        )
    hypothesis = judged(method, found.cameras, solid, outlines, total, config)
    hypothesis.figures["reprojection_px"] = found.error_px
    hypothesis.figures["sparse_points"] = float(len(found.points))
    return replace(hypothesis, lens=found.lens)


@dataclass(frozen=True)
class _Adjusted:
    """Cameras, points and solid that were adjusted together.

    Args:
        scene: All of them.
        seen: Where the points are seen.
        fix_k1: Whether the lens was not free.
    """

    scene: Scene
    seen: Observations
    fix_k1: bool


def _hypothesis_of(
    method: str, found: Reconstruction, adjusted: _Adjusted, film: Film
) -> Hypothesis:
    """The hypothesis that the cameras are where they were adjusted to be."""
    scene = adjusted.scene
    cameras = dict(zip(found.cameras, scene.cameras, strict=True))
    outlines = film.outlines_through(Lens(scene.k1), scene.cameras[0])
    hypothesis = judged(method, cameras, scene.solid, outlines, len(film.frame_paths), film.config)
    error_px = reprojection_px(scene, adjusted.seen).mean()
    hypothesis.figures["reprojection_px"] = float(error_px)
    hypothesis.figures["sparse_points"] = float(len(found.points))
    return replace(hypothesis, lens=Lens(scene.k1))


def _outlines_of(scene: Scene, found: Reconstruction, film: Film) -> list[Outline | None]:
    """The outlines in all cameras of a scene, as pinholes see them."""
    straight = film.outlines_through(Lens(scene.k1), scene.cameras[0])
    return [straight.get(i) for i in found.cameras]


def _adjusted(found: Reconstruction, solid: Solid, film: Film) -> _Adjusted | None:
    """Points and outlines adjusted together; None where the points contradict the outlines."""
    numbers, seen = found.seen.of_longest_tracks(ENOUGH_POINTS).renumbered()
    start = Scene(tuple(found.cameras.values()), found.lens.k1, found.points[numbers], solid)
    several = len({(c.width, c.height) for c in start.cameras}) > 1
    fix_k1 = several or lie_in_middle(seen.pixel, start.cameras[0])

    def outlines(scene: Scene) -> list[Outline | None]:
        return _outlines_of(scene, found, film)

    scene = adjust_with_outlines(start, seen, outlines(start), fix_k1=fix_k1)
    before, after = (float(np.median(reprojection_px(s, seen))) for s in (start, scene))
    if after > MAX_RISE * before:
        return None
    # Points all over the frames leave little open of a lens. What they leave open of a short arc, a
    # pinhole would explain as well, by a focal length that is ten per cent off.
    if not fix_k1 and not SMALL_K1 < abs(scene.k1) < USUAL_K1:
        plain = replace(scene, k1=0.0)
        plain = adjust_with_outlines(plain, seen, outlines(plain), fix_k1=True)
        bent, straight = (float(reprojection_px(s, seen).mean()) for s in (scene, plain))
        shift_px = Lens(scene.k1).shift_px(scene.cameras[0])
        if shift_px < NEGLIGIBLE_PX or not explains(scene.k1, straight, bent, SMALL_K1_GAIN):
            scene, fix_k1 = plain, True
    closer = _looked_for(scene, seen, _paths_of(found, film), everywhere=False)
    scene, seen = closer or (scene, seen)
    scene = adjust_with_outlines(scene, seen, outlines(scene), fix_k1=fix_k1)
    return _Adjusted(scene, seen, fix_k1)


def _refined(found: Reconstruction, adjusted: _Adjusted, film: Film) -> _Adjusted:
    """The same with points looked for in all frames that they face."""
    scene, seen = adjusted.scene, adjusted.seen
    for _ in range(REFINING_TURNS):
        closer = _looked_for(scene, seen, _paths_of(found, film), everywhere=True)
        if closer is None:
            break
        scene, seen = closer
        outlines = _outlines_of(scene, found, film)
        scene = adjust_with_outlines(scene, seen, outlines, fix_k1=adjusted.fix_k1)
    return replace(adjusted, scene=scene, seen=seen)


def _paths_of(found: Reconstruction, film: Film) -> list[Path]:
    return [film.frame_paths[i] for i in found.cameras]


def _looked_for(
    scene: Scene, seen: Observations, paths: Sequence[Path], *, everywhere: bool
) -> tuple[Scene, Observations] | None:
    """The scene with its points looked for in the images by the patches around them.

    Args:
        scene: Cameras, points and solid.
        seen: Where the points were seen.
        paths: The images.
        everywhere: Whether to look in all frames that the tyre's points face, and to drop what then
            lies far from where the scene has it; otherwise where they were seen.

    Returns:
        The scene with the points that were found, and where; None where a frame has too few.
    """
    found = align_patches(scene, in_all_frames(scene, seen) if everywhere else seen, paths)
    if everywhere:
        found = found.chosen(reprojection_px(scene, found) < MOST_OFF_PX)
    found = found.of_points_seen(2)
    if np.bincount(found.frame, minlength=len(scene.cameras)).min() < MIN_ALIGNED:
        return None
    numbers, found = found.renumbered()
    return replace(scene, points=scene.points[numbers]), found


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
        refused = f"{method}: the masks agree with only {len(kept)} of {total} cameras"
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
        "turn_jump_deg": turn_jump_deg(kept),
        "outline_residual_percent": float(np.median(np.abs(views.misfit(solid).error))),
        "outline_agreement": typical,
        "cameras_dropped": float(len(cameras) - len(kept)),
    }
    return Hypothesis(method, kept, solid, agreements, figures, refused)
