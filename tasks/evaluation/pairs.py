"""Score a comparison of two films of one tyre against what is known to have changed.

A comparison speaks of angles, faces and sizes of its own meshes. Where these stand in the frame of
the generated tyre follows from the cameras, so that an error of the comparison is not one of the
reconstruction's choice of a top or of an outer face.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.angles import wrapped_deg
from tasks.geometry.camera import Camera
from tasks.geometry.rigid import nearest_rotation
from tasks.surface.profile import ZONES
from tasks.synthetic.tyres.pair_truth import PairTruth, Planted

FloatArray = NDArray[np.float64]

FLAT_SPOT_DEG, FLAT_SPOT_MM = 3.0, 0.7
"""How far a flat spot may be told off its position and its depth to count as found."""
ZONE_MM = 0.5
"""How far the mean of a zone may be off."""
_NEAR_MM = 15.0
"""A finding this close to a planted one's half length is of it."""
_CHANGED_MM = 0.3
"""A zone that changed by more is no false finding."""

_ACCEPTED_KINDS: dict[str, tuple[str, ...]] = {
    "flat-spot": ("flat-spot",),
    "cut": ("cut", "visual"),
    "chunk": ("chunk", "dent", "visual"),
    "bulge": ("bulge",),
    "dent": ("dent",),
    "scuff": ("visual",),
    "blisters": ("visual",),
    "graining": ("visual",),
}
"""What a planted damage may be called."""


@dataclass(frozen=True)
class Stand:
    """Where a reconstruction stands in the frame of the generated tyre.

    Args:
        rotation: ``(3, 3)`` from the mesh's frame to the tyre's.
        size: Lengths of the mesh over true ones.
    """

    rotation: FloatArray
    size: float

    @property
    def flipped(self) -> bool:
        """Whether the mesh's outer face is the tyre's inner one."""
        return bool(self.rotation[2, 2] < 0)


def stand_of(cameras: Mapping[int, Camera], true_cameras: Mapping[int, Camera]) -> Stand:
    """Where a mesh stands, from its cameras.

    Args:
        cameras: In the frame of the mesh, metres, by index of the frame.
        true_cameras: In that of the generated tyre, likewise.

    Raises:
        ValueError: Fewer than three frames are known of both.
    """
    known = sorted(set(cameras) & set(true_cameras))
    if len(known) < 3:
        raise ValueError(f"{len(known)} cameras are known of mesh and tyre, three are needed")
    rotation = nearest_rotation(
        np.sum([true_cameras[i].rotation.T @ cameras[i].rotation for i in known], axis=0)
    )
    found = np.array([cameras[i].centre for i in known]) @ rotation.T
    true = np.array([true_cameras[i].centre for i in known])
    found, true = found - found.mean(axis=0), true - true.mean(axis=0)
    return Stand(rotation, float((found * found).sum() / (found * true).sum()))


def score_comparison(
    record: Mapping[str, Any], truth: PairTruth, new: Stand, damaged: Stand
) -> dict[str, Any]:
    """What a comparison told right and wrong.

    Args:
        record: The comparison's.
        truth: What changed.
        new: Where the new tyre's mesh stands.
        damaged: Where the damaged one's does.

    Returns:
        Plain figures, None for what the comparison does not tell.
    """
    verdict = str(record["verdict"]).replace(" ", "-")
    expected = "changed" if _changed(truth) else "not-detectable"
    findings = [_placed(f, new) for f in record["findings"]]
    planted, own = _matched(findings, truth)
    return {
        "kind": truth.kind,
        "verdict": verdict,
        "verdict_expected": expected,
        "reasons": [str(r["code"]) for r in record["reasons"]],
        "anchor": record["alignment"]["anchor"],
        **_alignment_scores(record["alignment"], truth, new, damaged),
        "zones": _zone_scores(record["zones"], truth, new),
        "planted": planted,
        "false_findings": [f for f, known in zip(findings, own, strict=True) if not known],
        "cells_measured": _number(record["cells"].get("measured")),
        "cells_significant": _number(record["cells"].get("significant")),
        "seconds": _number(record.get("seconds")),
    }


def _changed(truth: PairTruth) -> bool:
    return bool(truth.findings) or any(abs(z.change_mm) > _CHANGED_MM for z in truth.zones)


def _alignment_scores(
    alignment: Mapping[str, Any], truth: PairTruth, new: Stand, damaged: Stand
) -> dict[str, Any]:
    """Errors of scale, position and faces; None without an anchor or where it tells none."""
    errors: dict[str, Any] = {"scale_error_percent": None, "spin_error_deg": None}
    errors |= {"axle_error_deg": None, "faces_right": None}
    if alignment["anchor"] == "none":
        return errors
    true = new.rotation.T @ truth.rotation @ damaged.rotation  # damaged mesh to the new one
    errors["faces_right"] = (alignment["faces"] == "turned") == bool(true[2, 2] < 0)
    scale = _number(alignment.get("scale_ratio"))
    if scale is not None:
        errors["scale_error_percent"] = 100 * (scale / (damaged.size / new.size) - 1)
    if "transform" in alignment:
        rest = np.asarray(alignment["transform"]["rotation"]) @ true.T
        errors["spin_error_deg"] = math.degrees(math.atan2(rest[1, 0], rest[0, 0]))
        errors["axle_error_deg"] = math.degrees(math.acos(float(np.clip(rest[2, 2], -1, 1))))
    return errors


def _zone_scores(
    zones: Sequence[Mapping[str, Any]], truth: PairTruth, new: Stand
) -> list[dict[str, Any]]:
    """Each true zone with what was told of it."""
    by_name = {z["name"]: z for z in zones}
    scores = []
    for name, zone in zip(ZONES, truth.zones, strict=True):
        found = by_name.get(ZONES[::-1][ZONES.index(name)] if new.flipped else name, {})
        mean, lod = _number(found.get("mean_change_mm")), _number(found.get("lod95_mm"))
        error = None if mean is None else mean - zone.change_mm
        scores.append(
            {
                "name": name,
                "true_mm": zone.change_mm,
                "told_mm": mean,
                "error_mm": error,
                "lod95_mm": lod,
                "holds": None if error is None or lod is None else abs(error) <= lod,
                "significant": found.get("significant"),
            }
        )
    return scores


def _placed(finding: Mapping[str, Any], new: Stand) -> dict[str, Any]:
    """A finding in the frame of the generated new tyre."""
    placed = dict(finding)
    if finding.get("angle_deg") is not None:
        a = math.radians(90.0 - float(finding["angle_deg"]))
        x, y, _ = new.rotation @ np.array([math.cos(a), math.sin(a), 0.0])
        placed["angle_deg"] = (90.0 - math.degrees(math.atan2(y, x))) % 360
    if new.flipped:
        swap = {"outer-sidewall": "inner-sidewall", "inner-sidewall": "outer-sidewall"}
        placed["part"] = swap.get(finding["part"], finding["part"])
        if finding.get("across_mm") is not None:
            placed["across_mm"] = -float(finding["across_mm"])
    return placed


def _matched(
    findings: Sequence[Mapping[str, Any]], truth: PairTruth
) -> tuple[list[dict[str, Any]], list[bool]]:
    """The planted damage with what was told of each, and which findings are of something real."""
    worn = any(abs(z.change_mm) > _CHANGED_MM for z in truth.zones)
    real = [f["kind"] == "wear" and worn for f in findings]
    scores = []
    for planted in truth.findings:
        near = [k for k, f in enumerate(findings) if _of(f, planted, truth)]
        for k in near:
            real[k] = True
        # a mark in one place does not tell of what goes all round
        alike = [
            k for k in near if (findings[k]["angle_deg"] is None) == (planted.angle_deg is None)
        ]
        named = [k for k in alike if findings[k]["kind"] in _ACCEPTED_KINDS[planted.kind]]
        best = min(named, key=lambda k: _off_mm(findings[k], planted, truth), default=None)
        scores.append(_planted_score(planted, None if best is None else findings[best]))
    return scores, real


def _planted_score(planted: Planted, finding: Mapping[str, Any] | None) -> dict[str, Any]:
    """Whether a planted damage was found, and how far it was told off."""
    score: dict[str, Any] = {
        "kind": planted.kind,
        "part": planted.part,
        "angle_deg": planted.angle_deg,
        "depth_mm": planted.depth_mm,
        "found": finding is not None,
        "told_as": None if finding is None else finding["kind"],
        "angle_error_deg": None,
        "depth_error_mm": None,
    }
    if finding is None:
        return score
    if planted.angle_deg is not None and finding.get("angle_deg") is not None:
        score["angle_error_deg"] = wrapped_deg(float(finding["angle_deg"]) - planted.angle_deg)
    depth = _number(finding.get("depth_mm"))
    if planted.depth_mm is not None and depth is not None:
        score["depth_error_mm"] = depth - planted.depth_mm
    if planted.kind == "flat-spot":
        angle, error = score["angle_error_deg"], score["depth_error_mm"]
        right = angle is not None and abs(angle) <= FLAT_SPOT_DEG
        score["found"] = right and error is not None and abs(error) <= FLAT_SPOT_MM
    return score


def _of(finding: Mapping[str, Any], planted: Planted, truth: PairTruth) -> bool:
    """Whether a finding lies on a planted damage, whatever it is called."""
    if finding["part"] != planted.part:
        return False
    if planted.angle_deg is None:
        return _off_mm(finding, planted, truth) <= planted.width_mm / 2 + _NEAR_MM
    if finding["angle_deg"] is None:
        return False
    return _off_mm(finding, planted, truth) <= planted.length_mm / 2 + _NEAR_MM


def _off_mm(finding: Mapping[str, Any], planted: Planted, truth: PairTruth) -> float:
    """Distance between the middles of a finding and a planted damage, millimetres.

    Of one that goes all round only the position across counts.
    """
    if planted.angle_deg is None or finding["angle_deg"] is None:
        turn = 0.0
    else:
        turn = math.radians(wrapped_deg(finding["angle_deg"] - planted.angle_deg))
    if planted.part == "tread":
        # A flat spot goes right across.
        across = 0.0
        if planted.kind != "flat-spot" and finding["kind"] != "flat-spot":
            across = float(finding.get("across_mm") or 0.0) - (planted.across_mm or 0.0)
        return math.hypot(turn * truth.diameter_mm / 2, across)
    own, other = planted.radius_mm or 0.0, float(finding.get("radius_mm") or 0.0)
    return math.sqrt(max(own**2 + other**2 - 2 * own * other * math.cos(turn), 0.0))


def _number(value: Any) -> float | None:
    """A finite number, None for what is none."""
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)
