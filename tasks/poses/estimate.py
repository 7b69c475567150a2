"""Stage *estimate poses*: cameras of the frames and the tyre as a solid of revolution.

Structure from motion gives the cameras: on whole frames where the background moves with the
tyre, on the tyre alone where the background stands still. The solid is fitted to the masks'
outlines, which is also the test of the cameras. Where structure from motion fails, a constant
rate is assumed, and a warning says so. What depends on the motion stands in `RULES`.

Structure from motion: Schönberger and Frahm, Structure-from-motion revisited, CVPR 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.presets import Motion, MotionHint
from configs.stages import PoseConfig, StageName
from tasks.core.errors import ReconstructionError
from tasks.core.parallel import in_threads
from tasks.core.phrasing import counted
from tasks.core.progress import report
from tasks.core.repeatable import compute_repeatably
from tasks.geometry.camera import Camera
from tasks.poses.features.detector import LearnedDetector
from tasks.poses.film import Film
from tasks.poses.fit_solid import fit_solid
from tasks.poses.hypothesis import MIN_FRAMES, Hypothesis, judged, reconstructed, refusal
from tasks.poses.motion import Background, name_motion, world_up
from tasks.poses.outline import Outline, read_outline
from tasks.poses.record import ObjectEstimate, PoseEstimate
from tasks.poses.sfm import pairs_to_match
from tasks.poses.solid import Solid, Views
from tasks.poses.spin import follow_spin
from tasks.poses.steady_orbit import steady_orbit
from tasks.poses.steady_spin import outlines_alike, outlines_sway, steady_spin
from tasks.poses.turntable import follow_turntable

__all__ = ["PoseConfig", "estimate_poses"]

FloatArray = NDArray[np.float64]
Method = Callable[[Film], Hypothesis]


def _whole_frames(film: Film) -> Hypothesis:
    """Tyre and background are one rigid scene."""
    return reconstructed("sfm", film.whole_frames(), film)


def _more_features(film: Film) -> Hypothesis:
    """The same with more features, which match by mistake more often."""
    method = "sfm-low-contrast" if film.learned is None else "sfm-learned"
    return reconstructed(method, film.more_features, film)


def _surroundings(film: Film) -> Hypothesis:
    """All but the tyre: its edges look alike from all sides and hold the cameras in one place."""
    return reconstructed("sfm-surroundings", film.surroundings(), film)


def _tyre_alone(film: Film) -> Hypothesis:
    """The tyre by itself, whatever the background does."""
    return reconstructed("sfm-masked", film.tyre_alone, film)


def _about_axle(film: Film) -> Hypothesis:
    """One rotation about the axle, before a camera at rest or in a hand."""
    if not outlines_alike(film.outlines):
        return refusal("fixed-axis: the outline changes as that of no tyre on its axle does")
    session, config = film.tyre_alone, film.config
    matches = session.raw_matches(pairs_to_match(session.indices, config))
    shaking = film.changes.background != "still" or outlines_sway(film.outlines)
    found = follow_spin(
        film.outlines,
        film.times_s,
        matches,
        config.prior_fov_deg,
        frame_paths=film.frame_paths,
        shaking=shaking,
    )
    if found is None:
        return refusal("fixed-axis: too few points of the face could be followed")
    total = len(film.frame_paths)
    hypothesis = judged("fixed-axis", found.cameras, found.solid, film.outlines, total, config)
    hypothesis.figures["reprojection_px"] = found.error_px
    hypothesis.figures["sparse_points"] = float(found.points)
    if math.isfinite(found.axle_apart_deg):
        hypothesis.figures["axle_apart_deg"] = found.axle_apart_deg
    return hypothesis


def _about_plate(film: Film) -> Hypothesis:
    """One rotation about a plate's axis, before a camera at rest."""
    if film.changes.background == "shaking":
        return refusal("fixed-axis: the camera does not stand still")
    session, config = film.tyre_alone, film.config
    matches = session.raw_matches(pairs_to_match(session.indices, config))
    found = follow_turntable(film.outlines, film.times_s, matches, config.prior_fov_deg)
    if found is None:
        return refusal("fixed-axis: too few points turn about one axis")
    used = [i for i in found.cameras if i in film.outlines]
    total = len(film.frame_paths)
    if len(used) < max(MIN_FRAMES, config.min_registered_share * total):
        return refusal(f"fixed-axis: points were followed in {len(used)} of {total} frames only")
    solid = fit_solid(Views([found.cameras[i] for i in used], [film.outlines[i] for i in used]))
    hypothesis = judged("fixed-axis", found.cameras, solid, film.outlines, total, config)
    hypothesis.figures["reprojection_px"] = found.error_px
    hypothesis.figures["sparse_points"] = float(found.points)
    return hypothesis


def _assume_orbit(film: Film) -> Hypothesis:
    """Cameras from the outlines alone: round the tyre at a steady rate."""
    fov_deg, total = film.config.prior_fov_deg, len(film.frame_paths)
    steady = steady_orbit(film.outlines, film.times_s, fov_deg)
    found = judged("steady-orbit", steady.cameras, steady.solid, film.outlines, total, film.config)
    how = f"a steady orbit over {steady.sweep_deg:.0f} degrees fits the outlines"
    return replace(found, assumption=f"{how}; {_lens_of(film)}")


def _assume_spin(film: Film) -> Hypothesis:
    """Cameras from the outlines and how neighbouring frames differ: a turn about the axle."""
    if not outlines_alike(film.outlines):
        return refusal("steady-spin: the outline changes as that of no tyre on its axle does")
    fov_deg, total = film.config.prior_fov_deg, len(film.frame_paths)
    matches = film.tyre_alone.raw_matches(list(pairwise(film.tyre_alone.indices)))
    steady = steady_spin(film.outlines, film.times_s, matches, fov_deg)
    found = judged("steady-spin", steady.cameras, steady.solid, film.outlines, total, film.config)
    how = "the rotation was followed on the face" if steady.measured else "one turn is assumed"
    turned = f"a tyre that spins {steady.sweep_deg:.0f} degrees on its axle: {how}"
    return replace(found, assumption=f"{turned}; {_lens_of(film)}")


def _lens_of(film: Film) -> str:
    whence = "told by the pictures" if film.tells_lens else "assumed"
    return f"a field of view of {film.config.prior_fov_deg:.0f} degrees is {whence}"


def _believe(hypothesis: Hypothesis) -> str:
    return ""


def _must_turn_on_axle(hypothesis: Hypothesis) -> str:
    """A path that is no turn about the axle is no spin's."""
    return "" if hypothesis.turns_on_axle() else "the tyre does not turn on its axle"


def _must_turn_about_one_axis(hypothesis: Hypothesis) -> str:
    """So does whatever a plate carries; the edges of masks and reflections mislead the matching."""
    return "" if hypothesis.turns_about_one_axis() else "what moves does not turn about one axis"


@dataclass(frozen=True)
class MotionRules:
    """What a motion means for the search for poses.

    Args:
        still_background: Whether the background stands still, so that it tells nothing of the
            tyre's poses.
        methods: What is tried for it, in this order.
        contradiction: What in a hypothesis contradicts the motion, in words; empty if nothing.
        last_resort: Cameras from the outlines, where all methods failed.
        up_of_first_frame: Whether up is the first frame's, as where up turns with the tyre.
    """

    still_background: bool
    methods: tuple[Method, ...]
    contradiction: Callable[[Hypothesis], str]
    last_resort: Method
    up_of_first_frame: bool = False


RULES: dict[Motion, MotionRules] = {
    "orbit": MotionRules(
        still_background=False,
        methods=(_whole_frames, _more_features, _surroundings, _tyre_alone),
        contradiction=_believe,
        last_resort=_assume_orbit,
    ),
    "turntable": MotionRules(
        still_background=True,
        methods=(_about_plate, _tyre_alone),
        contradiction=_must_turn_about_one_axis,
        last_resort=_assume_orbit,
    ),
    "free": MotionRules(
        still_background=False,
        methods=(_whole_frames, _more_features, _surroundings, _tyre_alone),
        contradiction=_believe,
        last_resort=_assume_orbit,
    ),
    "spin": MotionRules(
        still_background=True,
        methods=(_about_axle,),  # repeated spokes mislead structure from motion
        contradiction=_must_turn_on_axle,
        last_resort=_assume_spin,
        up_of_first_frame=True,
    ),
}
"""All that depends on the motion."""

HINTS: dict[MotionHint, tuple[Motion, ...]] = {
    "auto": tuple(RULES),
    "orbit": ("orbit", "turntable"),  # before turntables had a name, both were told as orbits
    "turntable": ("turntable",),
    "spin": ("spin",),
    "free": ("free",),
}
"""The motions that a user's word leaves possible."""

ADVICE_ON_HINTS = {
    "auto": " If the tyre turned, say so: --motion spin (on its axle) or --motion turntable.",
    "told": " If it moved otherwise than --motion says, leave that out.",
}
"""What may help a film without poses, by whether the user said what moves."""


ADVICE_ON_FEATURES = (
    "learned features, which find more on plain tyres, are not here (tyre3d models fetch xfeat)"
)


def possible_motions(hint: MotionHint, background: Background, *, alike: bool) -> list[Motion]:
    """The motions to try, the likeliest first.

    Args:
        hint: What the user says; it stands against what the background says.
        background: Whether the background stands still.
        alike: Whether all frames show the same outline.
    """
    motions = list(HINTS[hint])
    if background != "unknown":
        still = background in ("still", "shaking")
        motions = [m for m in motions if RULES[m].still_background == still] or motions
    if alike and "spin" in motions:  # nothing else shows the same outline all the time
        unknown = background == "unknown"
        return ["spin", *(m for m in motions if m != "spin" and unknown)]
    return motions


def estimate_poses(
    frame_paths: dict[int, Path],
    alpha_paths: dict[int, Path],
    times_s: dict[int, float],
    config: PoseConfig,
    scratch_dir: Path,
    *,
    fov_deg: float | None = None,
    features: Path | None = None,
    device: str = "cpu",
) -> PoseEstimate:
    """Estimate the frames' cameras and the tyre's centre, axle and size.

    Args:
        frame_paths: Images by frame index.
        alpha_paths: 8-bit masks by frame index, of the frames' sizes.
        times_s: Time of each frame in seconds.
        config: Parameters of the stage.
        scratch_dir: An existing folder for intermediate files.
        fov_deg: Field of view of the longest side in degrees, where the images tell it; the
            configuration's guess otherwise.
        features: Weights of the learned features, for films in which SIFT finds too little; None
            where they are not here.
        device: Device of their network, as torch calls it.

    Returns:
        Cameras of the registered frames and the tyre, in one world of arbitrary scale.

    Raises:
        ReconstructionError: Too few frames show a tyre, or no method explains the masks.
        ModelError: ``weights-unreadable``: the weights of the features.
    """
    compute_repeatably()
    outlines = _outlines(alpha_paths)
    learned = None if features is None else LearnedDetector(config, features, device)
    film = Film(frame_paths, alpha_paths, times_s, outlines, config, scratch_dir, learned, fov_deg)
    alike = outlines_alike(outlines)
    motions = possible_motions(config.motion, film.changes.background, alike=alike)
    hypotheses: list[Hypothesis] = []
    methods = list(dict.fromkeys(way for m in RULES if m in motions for way in RULES[m].methods))
    for tried, method in enumerate(methods):
        report(StageName.ESTIMATE_POSES, tried, 0)
        hypotheses.append(_fitting(method(film), motions))
        convincing = [h for h in hypotheses if h.is_convincing(config, hypotheses)]
        if convincing:
            best = min(convincing, key=lambda h: h.doubt)
            return _estimate(best.refined(), film, motions)
    found = [a for a in hypotheses if not a.refused]
    lacking = () if learned else (f"no poses convinced; {ADVICE_ON_FEATURES}",)
    if found:
        best = min(found, key=lambda a: (a.leaps(config), a.doubt))
        likeliest = _estimate(best.refined(), film, motions)
        return replace(likeliest, warnings=(*likeliest.warnings, *lacking))
    refused = [a.refused for a in hypotheses]
    report(StageName.ESTIMATE_POSES, len(methods), 0)
    hypothesis = RULES[motions[0]].last_resort(film)
    if not hypothesis.refused:
        assumed = _estimate(hypothesis, film, motions)
        reason = "structure from motion failed (" + "; ".join(refused) + "); "
        warnings = (reason + hypothesis.assumption, *assumed.warnings, *lacking)
        return replace(assumed, warnings=warnings)
    raise ReconstructionError(
        "poses-failed",
        stage=StageName.ESTIMATE_POSES,
        what="no camera poses were found (" + "; ".join([*refused, hypothesis.refused]) + ")",
        advice="Film slowly around the tyre, whole tyre in view, before a textured background."
        + ADVICE_ON_HINTS["auto" if config.motion == "auto" else "told"]
        + ("" if learned else f" Besides, {ADVICE_ON_FEATURES}."),
    )


def _fitting(hypothesis: Hypothesis, motions: Sequence[Motion]) -> Hypothesis:
    """The hypothesis, refused if it contradicts every motion that is possible."""
    if hypothesis.refused:
        return hypothesis
    reasons = [RULES[m].contradiction(hypothesis) for m in motions]
    if not all(reasons):
        return hypothesis
    return replace(hypothesis, refused=f"{hypothesis.method}: {reasons[0]}")


def _outlines(alpha_paths: Mapping[int, Path]) -> dict[int, Outline]:
    """Outlines of the frames that show an object; refuses a video with hardly any."""
    paths = dict(sorted(alpha_paths.items()))
    found = zip(paths, in_threads(read_outline, paths.values()), strict=True)
    outlines = {i: o for i, o in found if o is not None and o.valid.mean() > 0.5}
    if len(outlines) < MIN_FRAMES:
        raise ReconstructionError(
            "poses-no-tyre",
            stage=StageName.ESTIMATE_POSES,
            what=f"a whole object is seen in only {len(outlines)} of {len(alpha_paths)} frames",
            advice="Film one tyre so that it is in view as a whole.",
        )
    return outlines


def _estimate(hypothesis: Hypothesis, film: Film, motions: Sequence[Motion]) -> PoseEstimate:
    """Name the motion, orient the solid and write down figures and warnings."""
    cameras = [hypothesis.cameras[i] for i in sorted(hypothesis.cameras)]
    solid = hypothesis.solid
    axle = _towards_better_seen_face(solid, cameras)
    rising = world_up(cameras)
    motion = name_motion(cameras, solid.centre, axle, rising, among=motions)
    if RULES[motion].up_of_first_frame:
        rising = -cameras[0].rotation[1]
    warnings: list[str] = []
    lean = float(np.degrees(np.arcsin(np.clip(abs(rising @ axle), 0.0, 1.0))))
    if lean > 60.0:
        warnings.append("the tyre lies on its side; up is taken from the first frame")
        rising = -cameras[0].rotation[1]
    up = rising - (rising @ axle) * axle
    up /= np.linalg.norm(up)
    values = np.array(list(hypothesis.agreements.values()))
    doubtful = [i for i, v in hypothesis.agreements.items() if v < film.config.flag_agreement]
    if doubtful:
        listed = ", ".join(str(i) for i in doubtful[:12])
        warnings.append(
            f"masks of {counted(len(doubtful), 'frame')} disagree with the solid: {listed}"
        )
    views = np.stack([c.centre - solid.centre for c in cameras])
    if float(np.min(views @ axle / np.linalg.norm(views, axis=1))) > 0.17:  # 10 degrees
        warnings.append("one face only was seen; the width is uncertain")
    if motion == "spin" and not hypothesis.assumption and not film.tells_lens:
        warnings.append(
            "from one place a spin hardly tells the focal length; depths may be a third off"
        )
    missing = len(film.outlines) - len(hypothesis.agreements)
    if missing > 0:
        warnings.append(
            counted(missing, "frame with a mask has no pose", "frames with a mask have no pose")
        )
    figures = {
        **hypothesis.figures,
        "outline_agreement_worst": float(values.min()),
        "doubtful_masks": float(len(doubtful)),
        "axle_lean_deg": lean,
    }
    tyre = ObjectEstimate(solid.centre, axle, up, solid.radius, solid.half_width)
    return PoseEstimate(
        hypothesis.method,
        motion,
        hypothesis.cameras,
        tyre,
        figures,
        tuple(warnings),
        hypothesis.lens,
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
