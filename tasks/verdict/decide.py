"""From evidence to reasons, and from reasons to the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

from configs.stages import JudgeConfig, Limits
from tasks.poses.record import PoseEstimate
from tasks.verdict.evidence import Evidence
from tasks.verdict.record import Judgement, Reason, worst_first
from tasks.verdict.retake import retake_card

_STEADY = "steady-"
"""How the names of methods begin that assume a steady motion."""


GUESSES = frozenset({"film-short-arc", "film-one-face"})
"""What the first word guesses from the outlines and the cameras measure: which part was seen."""


def judge(
    evidence: Evidence,
    poses: PoseEstimate,
    config: JudgeConfig,
    first_word: Sequence[Reason] = (),
) -> Judgement:
    """The judgement on a mesh.

    Args:
        evidence: What it is judged by.
        poses: How its cameras were found.
        config: The limits beyond which a figure is a reason.
        first_word: What was said of the film before.
    """
    outlines = list(_outlines(evidence, config))
    found = [
        *_unjudged(evidence),
        *outlines,
        *_photos(evidence, config),
        *_turn(evidence, poses, config),
        *_frames(evidence, poses, config),
        *_edges(evidence, config),
        *(r for r in _scale(evidence, config) if r.level == "fail" or not outlines),
        *_coverage(evidence, config),
        *_shape(evidence, config),
        *_body(evidence),
    ]
    codes = {reason.code for reason in found}
    given_up = codes if poses.method.startswith(_STEADY) else codes | GUESSES
    if _seen_to_turn(evidence, poses, codes):
        given_up |= {"film-no-motion"}
    # what the film lacks is why the rest is wrong: of one level it comes first
    of_the_film = [reason for reason in first_word if reason.code not in given_up]
    reasons = worst_first([*of_the_film, *found])
    known = {k: v for k, v in evidence.figures.items() if math.isfinite(v)}
    card = retake_card(evidence, poses, reasons, config) if reasons else ()
    return Judgement(reasons, known, card)


def _seen_to_turn(evidence: Evidence, poses: PoseEstimate, codes: Collection[str]) -> bool:
    """Whether the face says that the tyre turned; thumbnails show little of a plain one."""
    agreement = evidence.figures.get("turn_agreement", math.nan)
    return poses.motion == "spin" and math.isfinite(agreement) and "turn-doubtful" not in codes


def level_of(value: float, limits: Limits) -> Literal["review", "fail"] | None:
    """What a value means; None where it is sound or not known (not a number)."""
    sign = 1.0 if limits.fail >= limits.review else -1.0
    if sign * value >= sign * limits.fail:
        return "fail"
    return "review" if sign * value >= sign * limits.review else None


def _limited(
    value: float,
    limits: Limits,
    code: str,
    message: Callable[[float], str],
    advice: str,
) -> Iterable[Reason]:
    level = level_of(value, limits)
    if level is not None:
        yield Reason(code, level, message(value), advice)


def _unjudged(evidence: Evidence) -> Iterable[Reason]:
    """A mesh that nothing speaks for but what it was made of.

    A plain tyre's photos correlate with nothing, and few frames leave none to be kept aside; the
    edges in the images then still tell.
    """
    figures = evidence.figures
    aside = figures["silhouette_iou"], figures["photo_agreement"]
    by_frames = figures["held_out_frames"] > 0 and any(map(math.isfinite, aside))
    if not by_frames and not math.isfinite(figures["outlines_off_percent"]):
        yield Reason(
            "not-judged",
            "review",
            "nothing tells whether the mesh is right: neither pictures that it was not made of "
            "nor the tyre's edges in the pictures could be held against it",
            "Film longer, the whole tyre in every picture; compare mesh and film",
        )


def _outlines(evidence: Evidence, config: JudgeConfig) -> Iterable[Reason]:
    """The mesh against masks, those that the merge did not use where there are any."""
    figures, hour = evidence.figures, evidence.stray_hour
    where = f" at {hour} o'clock in the picture" if hour else ""
    frames = "frames kept aside" if figures["held_out_frames"] else "the frames it was made of"
    yield from _limited(
        figures["masks_beyond_mesh"],
        config.masks_beyond_mesh,
        "masks-hold-more",
        lambda v: (
            f"something beside the tyre was taken for a part of it{where} ({v:.0%} of its area)"
        ),
        "Move stand, post, hand or other tyres out of the picture, so that background shows "
        "around the whole tyre",
    )
    yield from _limited(
        figures["mesh_beyond_masks"],
        config.mesh_beyond_masks,
        "masks-lack-parts",
        lambda v: f"the outlines in the pictures lack {v:.0%} of what the mesh shows",
        "Film before a ground that is lighter than rubber, in even light",
    )
    yield from _limited(
        figures["masks_cut"],
        config.masks_cut,
        "masks-cut",
        lambda v: f"the outlines held {v:.0%} more than the fitted tyre, which was cut off",
        "Film the tyre with nothing touching it; compare mesh and film",
    )
    yield from _limited(
        figures["masks_filled"],
        config.masks_filled,
        "masks-filled",
        lambda v: f"the outlines lacked {v:.0%} of the fitted tyre, which was filled",
        "Keep what stands between camera and tyre out of the picture; compare mesh and film",
    )
    yield from _limited(
        figures["silhouette_iou"],
        config.silhouette_iou,
        "outlines-off",
        lambda v: f"the mesh covers the tyre in {frames} by {v:.2f} only, of 1",
        "Film the tyre alone, slowly, whole in the picture",
    )


def _photos(evidence: Evidence, config: JudgeConfig) -> Iterable[Reason]:
    aside = evidence.figures["held_out_frames"]
    photos = "photos kept aside" if aside else "the photos it was made of"
    yield from _limited(
        evidence.figures["photo_agreement"],
        config.photo_agreement,
        "photos-off",
        lambda v: f"{photos} do not show what the mesh shows (correlation {v:.2f})",
        "Film slowly in good light, and let nothing but the camera (or the turning tyre) move",
    )


def _turn(evidence: Evidence, poses: PoseEstimate, config: JudgeConfig) -> Iterable[Reason]:
    """How far a tyre on its axle has turned: spokes and plain faces let a wrong turn look right."""
    if poses.motion != "spin":
        return
    agreement, off = evidence.figures["turn_agreement"], evidence.figures["turn_off_percent"]
    code = "turn-doubtful"
    advice = (
        "Put a few marks of chalk or tape on sidewall and rim, each different, and spin the tyre "
        "slowly, a whole turn, before a camera that stands still; or walk round it"
    )
    if math.isnan(agreement):
        message = "nothing on the face tells whether the tyre turned as was found"
        yield Reason(code, "review", message, advice)
    elif level_of(agreement, config.turn_agreement):
        yield from _limited(
            agreement,
            config.turn_agreement,
            code,
            lambda v: (
                "turned back as was found, the face does not look the same in all frames "
                f"(correlation {v:.2f}): the tyre may have turned otherwise"
            ),
            advice,
        )
    else:
        yield from _limited(
            off,
            config.turn_off_percent,
            code,
            lambda v: f"by what the face shows the tyre turned {v:.0f} % faster or slower",
            advice,
        )


def _frames(evidence: Evidence, poses: PoseEstimate, config: JudgeConfig) -> Iterable[Reason]:
    """How many cameras there are, and how they were found."""
    if poses.method.startswith(_STEADY):
        yield Reason(
            "motion-assumed",
            "review",
            "the pictures did not tell how the camera moved; a steady motion was assumed",
            "Film before a background with texture, or put marks on the tyre",
        )
    yield from _limited(
        evidence.figures["axle_apart_deg"],
        config.axle_apart_deg,
        "axle-doubtful",
        lambda v: (
            "the points that were followed put the axle of the tyre elsewhere than the circles "
            f"that it shows as it turns, {v:.0f}° apart"
        ),
        "Put a few marks of chalk or tape all round sidewall and rim, each different, and spin "
        "the tyre slowly before a camera that stands still; or walk round it",
    )
    yield from _limited(
        evidence.figures["path_jump_deg"],
        config.path_jump_deg,
        "path-jumps",
        lambda v: (
            f"from one frame to the next the camera would have leapt {v:.0f}° too far round the "
            "tyre: its faces, or parts that repeat, were taken for each other"
        ),
        "Film in one go, without cuts, before a background with texture; put a few marks of chalk "
        "or tape on the tyre, other ones on each face",
    )
    if evidence.figures["path_jump_deg"] <= config.path_jump_deg.review:  # else it is told
        yield from _limited(
            evidence.figures["turn_jump_deg"],
            config.turn_jump_deg,
            "path-jumps",
            lambda v: (
                f"from one frame to the next the camera would have turned {v:.0f}° too far: parts "
                "of the tyre that repeat, such as spokes, were taken for each other"
            ),
            "Film in one go, without cuts, before a background with texture; put a mark of chalk "
            "or tape on one spoke of each face",
        )
    yield from _limited(
        evidence.figures["posed_share"],
        config.posed_share,
        "frames-lost",
        lambda v: f"only {v:.0%} of the frames could be placed round the tyre",
        "Film one tyre in one go, slowly, without jumps or cuts",
    )


def _edges(evidence: Evidence, config: JudgeConfig) -> Iterable[Reason]:
    """Cameras that are a little off: no mesh lies on the outlines of all frames."""
    off, pixel = evidence.figures["outlines_off_percent"], evidence.figures["pixel_percent"]
    if off >= max(config.outlines_off_percent, config.outlines_off_px * pixel):
        yield Reason(
            "cameras-inexact",
            "review",
            f"the tyre's edges in the pictures lie {off:.1f} % of its diameter off the mesh: the "
            "places of the camera were found inexactly",
            "Film closer and more slowly, the whole tyre in every picture, before a background "
            "with texture",
        )


def _scale(evidence: Evidence, config: JudgeConfig) -> Iterable[Reason]:
    """A scale that drifts, by the outlines; outlines that are wrong move it a little, too."""
    yield from _limited(
        evidence.figures["scale_spread_percent"],
        config.scale_spread_percent,
        "scale-drifts",
        lambda v: f"the tyre's size differs from frame to frame by {v:.1f} %",
        "Do not zoom while filming; keep the whole tyre in the picture",
    )


def _coverage(evidence: Evidence, config: JudgeConfig) -> Iterable[Reason]:
    """What was filmed."""
    figures = evidence.figures
    yield from _limited(
        figures["seen_arc_deg"],
        config.seen_arc_deg,
        "arc-short",
        lambda v: f"only about {5 * round(v / 5)}° of the way round the tyre were filmed",
        "Walk once round the tyre, 360°",
    )
    for face in ("outer", "inner"):
        share = figures[f"{face}_face_seen"]
        if share < config.face_seen:
            yield Reason(
                f"{face}-face-unseen",
                "review",
                f"{share:.0%} of the {face} face were seen; the rest is inferred",
                f"Film the {face} face too",
            )
    if figures["tread_seen"] < config.tread_seen:
        yield Reason(
            "tread-unseen",
            "review",
            f"{figures['tread_seen']:.0%} of the tread were seen; the rest is inferred",
            "Film from the side too, so that the tread is seen from above and from both ends",
        )
    yield from _limited(
        figures["share_inferred"],
        config.share_inferred,
        "much-inferred",
        lambda v: f"no frame saw {v:.0%} of the surface",
        "Walk once round the tyre, 360°, at about the height of its upper edge",
    )


def _shape(evidence: Evidence, config: JudgeConfig) -> Iterable[Reason]:
    """Whether what was found can be a tyre, and whether halves of the film find the same."""
    figures = evidence.figures
    ratio = figures["width_ratio"]
    if not config.min_width_ratio <= ratio <= config.max_width_ratio:
        yield Reason(
            "not-a-tyre",
            "fail",
            f"the width is {ratio:.2f} of the diameter; tyres have {config.min_width_ratio} "
            f"to {config.max_width_ratio}",
            "Film one tyre alone; with a tyre in the film its axle was not found",
        )
    yield from _limited(
        figures["halves_axle_deg"],
        config.halves_axle_deg,
        "axle-unsure",
        lambda v: f"two halves of the frames put the axle {v:.1f}° apart",
        "Film more of the way round the tyre, the whole tyre in the picture",
    )
    yield from _limited(
        figures["halves_outline_percent"],
        config.halves_outline_percent,
        "size-unsure",
        lambda v: f"two halves of the frames differ by {v:.1f} % of the diameter in the outline",
        "Film more of the way round the tyre, the whole tyre in the picture",
    )
    lean = figures["axle_lean_deg"]
    if lean > config.axle_lean_deg:
        yield Reason(
            "axle-not-level",
            "review",
            f"the axle is {lean:.0f}° off the horizontal: the tyre lies, or the axle is wrong",
            "Stand the tyre upright if you can; else compare mesh and film",
        )


def _body(evidence: Evidence) -> Iterable[Reason]:
    level: Literal["review"] = "review"
    bodies = evidence.figures["bodies"]
    if bodies > 1:
        message = f"the mesh has {bodies:.0f} separate bodies"
        yield Reason("several-bodies", level, message, "Look at the mesh before using it")
    if evidence.figures["watertight"] == 0.0:
        message = "the surface is not closed"
        yield Reason("not-closed", level, message, "Look at the mesh before using it")
