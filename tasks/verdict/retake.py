"""The retake card: what to film again, in the words and angles of a photographer."""

from __future__ import annotations

from collections.abc import Sequence

from configs.stages import JudgeConfig
from tasks.core.phrasing import bearing
from tasks.poses.record import PoseEstimate
from tasks.verdict.coverage import PARTS
from tasks.verdict.evidence import Evidence
from tasks.verdict.record import Reason

_STEP_DEG = 5
"""Angles on the card are rounded to this."""


def retake_card(
    evidence: Evidence, poses: PoseEstimate, reasons: Sequence[Reason], config: JudgeConfig
) -> tuple[str, ...]:
    """What to film again, the most important first.

    Args:
        evidence: What the mesh is judged by.
        poses: The motion.
        reasons: What speaks against the mesh.
        config: Which gaps count.
    """
    codes = {reason.code for reason in reasons}
    lines = []
    unseen = [part for part in PARTS[:2] if f"{part.replace(' ', '-')}-unseen" in codes]
    if poses.motion == "spin":
        lines += [
            f"film the {part} as well: turn the tyre or stand on its other side" for part in unseen
        ]
    for low, high in evidence.way.gaps(config.gap_deg):
        part = evidence.way.faces_at(0.5 * (low + high))
        lines.append(gap_line(low, high, part, spins=poses.motion == "spin"))
    if poses.motion != "spin" and not evidence.way.gaps(config.gap_deg):
        lines += [f"film the {part} again, from nearer its axle" for part in unseen]
    if "masks-hold-more" in codes:
        hour = evidence.stray_hour
        where = f"what is at {hour} o'clock beside the tyre" if hour else "what touches the tyre"
        lines.append(f"move {where} out of the picture")
    advised = {"cameras-inexact", "frames-lost", "path-jumps", "scale-drifts", "not-a-tyre"}
    lines += [_lower(r.advice) for r in reasons if r.code in advised or r.code.startswith("film-")]
    return tuple(dict.fromkeys(lines))


def gap_line(low_deg: float, high_deg: float, part: str, *, spins: bool) -> str:
    """One arc without a frame as a line of the card.

    Args:
        low_deg: Where it begins, degrees from the first frame.
        high_deg: Where it ends; past 360 where it holds the first frame's side.
        part: What is seen from there.
        spins: Whether the tyre turns about its axle rather than the camera round the tyre.
    """
    low, high = (_STEP_DEG * round(a / _STEP_DEG) for a in (low_deg, high_deg))
    arc = f"{bearing(low)} and {bearing(high, ends=True)}"
    if spins:
        return f"turn the tyre on between {arc} from the first frame"
    return f"film again between {arc} round the tyre from the first frame: the {part}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
