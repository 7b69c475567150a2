"""The first word on a film, while the tyre still stands there: what to mend before all else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from configs.stages import InspectConfig
from tasks.verdict.film_measures import STILL, Glimpse, Movement, arc_from_aspects
from tasks.verdict.record import Judgement, Reason, worst_first


def first_word(
    glimpses: Sequence[Glimpse | None], movement: Movement, config: InspectConfig
) -> Judgement:
    """What a few frames say of a film.

    Args:
        glimpses: Frames evenly over the film, in order; None where nothing stands out.
        movement: What changes between all frames.
        config: The limits beyond which a figure is a reason.
    """
    seen = [g for g in glimpses if g is not None and g.area >= config.min_area]
    figures = {
        "looked_at": float(len(glimpses)),
        "with_tyre": len(seen) / max(len(glimpses), 1),
        "change": movement.step,
        "edge_change": movement.edge_step,
        "repeated_share": movement.repeated,
        "cut": movement.cut,
    }
    reasons = [*_movement(movement, config)]
    if figures["with_tyre"] < config.min_with_tyre:
        reasons.append(
            Reason(
                "film-no-tyre",
                "review" if seen else "fail",
                f"a tyre stands out in {len(seen)} of {len(glimpses)} frames looked at",
                "Film one whole tyre that stands out from its background, from two steps away",
            )
        )
    if seen:
        frontal = [g for g in seen if g.aspect > _FRONTAL]
        figures |= {
            "brightness": float(np.median([g.brightness for g in seen])),
            "clipped_share": float(np.median([g.clipped for g in seen])),
            "sharpness": float(np.median([g.sharpness for g in seen])),
            "cut_off_share": float(np.mean([g.cut_off for g in seen])),
            "others": float(np.median([g.others for g in seen])),
            "roundness": float(max((g.roundness for g in frontal), default=math.nan)),
            "about_arc_deg": arc_from_aspects([g.aspect for g in seen if not g.cut_off]),
        }
        reasons += [*_image_quality(figures, config), *_way(figures, config)]
    ordered = worst_first(reasons)
    known = {name: value for name, value in figures.items() if math.isfinite(value)}
    return Judgement(ordered, known, tuple(dict.fromkeys(r.advice for r in ordered)))


_FRONTAL = 0.8
"""Aspect from which an outline shows a face rather than the tread."""


def _movement(movement: Movement, config: InspectConfig) -> Iterable[Reason]:
    if movement.step < STILL or movement.repeated > config.max_repeated:
        yield Reason(
            "film-no-motion",
            "fail",
            "the frames show the same: neither camera nor tyre moves",
            "Walk once round the tyre while you film, or let it turn",
        )
    if movement.cut > config.max_cut:
        yield Reason(
            "film-cut",
            "review",
            f"the film jumps before frame {movement.cut_at}: another place, or another tyre",
            "Film one tyre in one take",
        )


def _image_quality(figures: dict[str, float], config: InspectConfig) -> Iterable[Reason]:
    if figures["brightness"] < config.min_brightness:
        yield Reason(
            "film-dark",
            "review",
            f"the tyre is dark (its brightest parts reach {figures['brightness']:.0f} of 255)",
            "Switch on light, or film outside; tap on the tyre so that the camera exposes for it",
        )
    if figures["clipped_share"] > config.max_clipped:
        yield Reason(
            "film-overexposed",
            "review",
            f"{figures['clipped_share']:.0%} of the tyre are white without detail",
            "Keep sun and lamps off the tyre's face; tap on it so that the camera exposes for it",
        )
    if figures["sharpness"] < config.min_sharpness and figures["clipped_share"] <= (
        config.max_clipped  # what is white has no detail, however sharp
    ):
        yield Reason(
            "film-blurred",
            "review",
            "the tyre is not sharp in most frames",
            "Walk more slowly, in more light; wipe the lens",
        )
    if figures["cut_off_share"] > config.max_cut_off:
        whole = figures["cut_off_share"] < 1.0
        share = (
            f"the tyre is wholly in the picture in {1 - figures['cut_off_share']:.0%} of the frames"
        )
        yield Reason(
            "film-cut-off",
            "review" if whole else "fail",
            f"{share} only"
            if whole
            else "the tyre, if there is one, is never wholly in the picture",
            "Step back until the whole tyre is in the picture, with some room around it",
        )
    if figures["others"] > config.max_others:
        yield Reason(
            "film-others",
            "review",
            "something beside the tyre stands out as much as the tyre",
            "Film one tyre alone; move other tyres and tools out of the picture",
        )
    if figures["roundness"] < config.min_roundness:
        yield Reason(
            "film-not-round",
            "review",
            "in no frame does the outline look like a tyre's",
            "Film one tyre alone, whole, with nothing before it or touching it",
        )


def _way(figures: dict[str, float], config: InspectConfig) -> Iterable[Reason]:
    """How much of the way round the tyre the outlines speak of."""
    arc = figures["about_arc_deg"]
    if arc >= config.min_about_arc_deg or figures["cut_off_share"] == 1.0:
        return  # outlines that the image's border cuts speak of none
    if figures["edge_change"] < STILL <= figures["change"]:
        yield Reason(
            "film-one-face",
            "review",
            "the tyre turns on its axle before a camera that stands still: one face is seen",
            "Film the other face too, or walk once round the tyre",
        )
    else:
        yield Reason(
            "film-short-arc",
            "review",
            f"the tyre is seen from about {10 * round(arc / 10)}° of the way round it",
            "Walk once round the tyre, 360°",
        )
