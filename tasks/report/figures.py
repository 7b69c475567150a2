"""Figures of a run in words: what each means, in which unit, and from which value on it counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Format = Callable[[float], str]


@dataclass(frozen=True)
class Meaning:
    """What a figure means.

    Args:
        label: Its name in words.
        meaning: What it says, in a sentence.
        formatted: Its value with its unit.
    """

    label: str
    meaning: str
    formatted: Format


@dataclass(frozen=True)
class Row:
    """A figure as the report tells it.

    Args:
        name: Its name in the metadata.
        label: Its name in words.
        value: With its unit.
        meaning: What it says.
        limits: From where on it counts, a line each; none where no limit is set.
        level: ``review`` or ``fail`` where it is beyond one.
    """

    name: str
    label: str
    value: str
    meaning: str
    limits: tuple[str, ...] = ()
    level: str = ""


@dataclass(frozen=True)
class Limit:
    """From where on a figure counts.

    Args:
        level: ``review`` or ``fail``.
        bound: The value.
        low_is_bad: Whether values below it count, not those above.
    """

    level: str
    bound: float
    low_is_bad: bool

    def passed_by(self, value: float) -> bool:
        """Whether a value counts."""
        return value <= self.bound if self.low_is_bad else value >= self.bound

    def in_words(self, formatted: Format) -> str:
        """As the report tells it."""
        side = "below" if self.low_is_bad else "above"
        return f"{self.level} {side} {_short(formatted(self.bound))}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _unit(pattern: str) -> Format:
    return lambda value: pattern.format(value)


def _yes(value: float) -> str:
    return "yes" if value else "no"


_count, _plain, _millimetres = _unit("{:.0f}"), _unit("{:.3f}"), _unit("{:.1f} mm")
_degrees, _of_size = _unit("{:.1f}°"), _unit("{:.2f} %")

MEANINGS: Mapping[str, Meaning] = {
    "silhouette_iou": Meaning(
        "Overlap with outlines",
        "how well the mesh covers the tyre in frames that it was not made of; 1 is all",
        _plain,
    ),
    "silhouette_iou_worst": Meaning("Overlap, worst frame", "likewise, in the worst frame", _plain),
    "masks_beyond_mesh": Meaning(
        "Masks outside the mesh",
        "area that was taken for tyre in the pictures and is no part of the mesh: a stand, a hand",
        _percent,
    ),
    "mesh_beyond_masks": Meaning(
        "Mesh outside the masks", "area of the mesh that the pictures do not show as tyre", _percent
    ),
    "masks_cut": Meaning(
        "Cut from the outlines", "area that no round tyre has, median; it was cut off", _percent
    ),
    "masks_filled": Meaning(
        "Filled in the outlines", "area that a round tyre has and they lacked, median", _percent
    ),
    "outlines_off_percent": Meaning(
        "Edges off the mesh",
        "how far the tyre's edges in the frames lie off the mesh, of the diameter",
        _of_size,
    ),
    "pixel_percent": Meaning("A pixel", "what it covers of the diameter", _of_size),
    "photo_agreement": Meaning(
        "Agreement with photos",
        "correlation of the mesh's colours with photos kept aside; 1 is the same",
        _plain,
    ),
    "turn_agreement": Meaning(
        "Agreement of the turn",
        "correlation of the face's pictures in frames of a spin, turned back; right ones have 0.2 "
        "to 0.5",
        _plain,
    ),
    "turn_off_percent": Meaning(
        "Turn, by the face",
        "by how much faster or slower these would coincide best",
        _unit("{:.0f} %"),
    ),
    "held_out_frames": Meaning(
        "Frames kept aside", "by which the mesh is judged; the merge did not see them", _count
    ),
    "posed_share": Meaning("Frames placed", "share of the frames whose camera was found", _percent),
    "axle_apart_deg": Meaning(
        "Axle, told two ways",
        "angle between the axle by points that were followed on a spin and by the circles that its "
        "frames show on average",
        _degrees,
    ),
    "path_jump_deg": Meaning(
        "Leap of the camera",
        "by how much two neighbouring frames lie farther apart than a walk allows",
        _degrees,
    ),
    "turn_jump_deg": Meaning(
        "Sudden turn of the camera",
        "by how much it turned otherwise between two frames than before and after",
        _degrees,
    ),
    "seen_arc_deg": Meaning(
        "Filmed arc", "how much of the way round the tyre was filmed", _degrees
    ),
    "outer_face_seen": Meaning("Outer face seen", "share that a frame saw", _percent),
    "inner_face_seen": Meaning("Inner face seen", "share that a frame saw", _percent),
    "tread_seen": Meaning("Tread seen", "share that a frame saw", _percent),
    "share_inferred": Meaning(
        "Inferred surface",
        "share that no frame saw; it comes from symmetry and from the network",
        _percent,
    ),
    "outer_face_cosine": Meaning(
        "Outer face, how frontal", "cosine of the best view of it; 1 is frontal", _plain
    ),
    "inner_face_cosine": Meaning("Inner face, how frontal", "likewise", _plain),
    "halves_axle_deg": Meaning(
        "Axle, even against odd frames",
        "angle between the axles that even and odd frames give",
        _unit("{:.2f}°"),
    ),
    "halves_centre_percent": Meaning(
        "Centre, even against odd frames", "likewise for the centre, of the diameter", _of_size
    ),
    "halves_outline_percent": Meaning(
        "Outline, even against odd frames", "likewise for the outline, of the diameter", _of_size
    ),
    "scale_spread_percent": Meaning(
        "Spread of the scale", "how far the sizes differ that single frames give", _of_size
    ),
    "width_ratio": Meaning("Width over diameter", "of the whole mesh", _plain),
    "axle_lean_deg": Meaning("Lean of the axle", "angle of the axle to the horizontal", _degrees),
    "bodies": Meaning("Bodies", "separate pieces of the surface; a tyre is one", _count),
    "watertight": Meaning("Closed", "whether the surface has no holes", _yes),
    "width_mm": Meaning(
        "Width", "along the axle, at the scale of the diameter given", _unit("{:.1f} mm")
    ),
    "volume_m3": Meaning("Volume", "that the surface encloses", _unit("{:.4f} m³")),
    "disagreement_median_mm": Meaning(
        "Disagreement", "spread between the surfaces of single frames, median", _unit("{:.2f} mm")
    ),
    "outline_residual_px": Meaning(
        "Residual of the outlines",
        "how far the fitted round tyre lies off them, in pixels",
        _unit("{:.2f} px"),
    ),
    "frames_fused": Meaning("Frames fused", "whose surfaces were merged", _count),
    "outlier_masks": Meaning("Outlines left out", "that agreed with no others", _count),
    "symmetry_order": Meaning(
        "Order of symmetry", "how often the rim's pattern repeats round the axle", _count
    ),
    "symmetry_kept": Meaning(
        "Asymmetry kept",
        "share kept of what does not repeat round the axle",
        _percent,
    ),
}

_NONE_ASIDE: Mapping[str, str] = {
    "silhouette_iou": "how well the mesh covers the tyre in frames that it was made of, for none "
    "were kept aside; 1 is all",
    "photo_agreement": "correlation of the mesh's colours with photos that gave them, for none "
    "were kept aside; 1 is the same",
    "held_out_frames": "to judge the mesh by; some that the merge saw stand in for them",
}
"""What figures mean where no frame was kept from the merge."""

_JUDGED = {"outer_face_seen": "face_seen", "inner_face_seen": "face_seen"}
_LOW_IS_BAD = {"face_seen", "tread_seen"}
"""Limits of one number below which a figure counts, not above."""
_ONLY_COUNTS = {"faces", "vertices"}


def rows_of(metadata: Mapping[str, Any]) -> list[Row]:
    """All figures of a run, those that it was judged by first; unknown ones under their name."""
    judged = metadata.get("parameters", {}).get("judge", {})
    figures = {**metadata["evidence"], **metadata["figures"]}
    figures |= dict(metadata["evidence"])  # where both have one, the one that was judged
    known = [name for name in MEANINGS if name in figures]
    others = sorted(set(figures) - set(MEANINGS) - _ONLY_COUNTS)
    meanings = {**MEANINGS, **_of_this_run(figures)}
    pixel = figures.get("pixel_percent") or 0.0
    names = (*known, *others)
    return [_row(name, figures[name], judged, meanings.get(name), pixel) for name in names]


def _of_this_run(figures: Mapping[str, float | None]) -> dict[str, Meaning]:
    """What means something else by the frames of a run."""
    meanings = _NONE_ASIDE if figures.get("held_out_frames") == 0 else {}
    return {name: replace(MEANINGS[name], meaning=meaning) for name, meaning in meanings.items()}


def _row(
    name: str,
    value: float | None,
    judged: Mapping[str, Any],
    meaning: Meaning | None,
    pixel: float,
) -> Row:
    if meaning is None:
        return Row(name, name, "–" if value is None else f"{value:.4g}", "")
    limits = _limits(name, judged, pixel)
    passed = [] if value is None else [limit.level for limit in limits if limit.passed_by(value)]
    return Row(
        name,
        meaning.label,
        "–" if value is None else meaning.formatted(value),
        meaning.meaning,
        tuple(with_units(limit.in_words(meaning.formatted)) for limit in limits),
        passed[-1] if passed else "",
    )


def _limits(name: str, judged: Mapping[str, Any], pixel: float) -> list[Limit]:
    """The limits of a figure, the mildest first; ``pixel`` is a percentage of the diameter."""
    if name == "width_ratio" and {"min_width_ratio", "max_width_ratio"} <= set(judged):
        return [
            Limit("fail", judged["min_width_ratio"], low_is_bad=True),
            Limit("fail", judged["max_width_ratio"], low_is_bad=False),
        ]
    key = _JUDGED.get(name, name)
    limits = judged.get(key)
    if limits is None:
        return []
    if isinstance(limits, Mapping):
        low_is_bad = limits["fail"] < limits["review"]
        return [Limit(level, limits[level], low_is_bad) for level in ("review", "fail")]
    if name == "outlines_off_percent":  # less than so many pixels does not count
        limits = max(limits, judged.get("outlines_off_px", 0.0) * pixel)
    return [Limit("review", limits, key in _LOW_IS_BAD)]


def _short(text: str) -> str:
    """A number without zeros that tell nothing: ``0.940`` is 0.94, ``200.0°`` is 200°."""
    return re.sub(r"\.(\d*?)0+(?!\d)", lambda found: f".{found[1]}" if found[1] else "", text)


def with_units(text: str) -> str:
    """Text whose units stay on the line of their numbers."""
    return re.sub(r"(?<=\d) (?=\S)", "\N{NO-BREAK SPACE}", text)
