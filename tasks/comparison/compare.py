"""The comparison of two reconstructions of one tyre: alignment, change, findings, verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from configs.comparison import CompareConfig
from tasks.comparison.align import Alignment, align_scans
from tasks.comparison.change import Change, change_between, tread_rows
from tasks.comparison.findings import Finding, findings_of
from tasks.comparison.flat_spots import Roundness, flat_spots, roundness
from tasks.comparison.marks import visual_marks
from tasks.comparison.part_pairs import PartPair, part_pairs
from tasks.comparison.scan import Scan
from tasks.comparison.surface_samples import Measured
from tasks.surface.contour_generators import touches_of
from tasks.surface.heights import SurfaceGrid, field_over, grid_on, mesh_heights

FloatArray = NDArray[np.float64]
Verdict = Literal["changed", "not detectable", "cannot compare"]

FOUND = 0.5
"""Findings from this certainty on are told as found."""
_DOUBTFUL = 0.4
"""The most that is made of what looks different where the angle between both is not certain."""
_TOO_COARSE_MM = 4.0
"""Levels of detection beyond which a comparison says nothing that a person would ask for."""


@dataclass(frozen=True)
class Comparison:
    """What changed from the new tyre to the damaged one.

    Args:
        alignment: Where the damaged one lies on the new one.
        change: How the outer surface changed.
        findings: Changes that have a position, the most certain first.
        pairs: Sidewalls and tread over each other.
        round_new: Roundness of the new tread.
        round_other: Roundness of the damaged one, in the new one's frame.
        least_spot_m: Shallowest flat spot that could be told; not finite where none could.
        verdict: What it comes to.
        reasons: Why it says no more, each with a code and a sentence.
    """

    alignment: Alignment
    change: Change
    findings: list[Finding]
    pairs: list[PartPair]
    round_new: Roundness
    round_other: Roundness
    least_spot_m: float
    verdict: Verdict
    reasons: list[dict[str, str]]

    @property
    def found(self) -> list[Finding]:
        """Findings that are told as found: none where nothing can be compared."""
        if self.verdict == "cannot compare":
            return []
        return [f for f in self.findings if f.certainty >= FOUND]


def compare_scans(
    new: Scan, other: Scan, config: CompareConfig, *, usable: bool = True
) -> Comparison:
    """Compare two reconstructions of one tyre.

    Args:
        new: The new tyre.
        other: The damaged one, at about the same scale, in its own frame.
        config: Parameters.
        usable: Whether both meshes may be used; nothing is told of others.
    """
    alignment = align_scans(new, other, config)
    grid = grid_on(new.profile, config.step_mm / 1000)
    tread = tread_rows(grid)
    moved = other.moved(alignment.transform)
    up = alignment.transform.rotation @ np.array([0.0, 1.0, 0.0])
    lowest = math.degrees(math.atan2(-up[0], -up[1])) % 360
    first, second = measure(new, grid, 180.0), measure(moved, grid, lowest)
    round_new, round_other = (roundness(m, tread, config) for m in (first, second))
    change = change_between(grid, first, second, alignment, config)
    spots, least = flat_spots(grid, round_new, round_other, change.pixel_m, config)
    pairs = part_pairs(new, other, alignment, config)
    anchored = alignment.anchor == "sidewall-markings"
    pixel_m = change.pixel_m
    marks = [m for pair in pairs for m in visual_marks(pair, pixel_m, config)] if anchored else []
    if not alignment.spin_certain:
        # a mark of the one tyre may lie beside its like on the other, blocks on grooves
        marks = [replace(m, certainty=min(m.certainty, _DOUBTFUL)) for m in marks]
    rest = 0.0 if math.isnan(alignment.residual_mm) else alignment.residual_mm / 1000
    findings = findings_of(change, spots, marks, rest, (first, second), config)
    verdict, reasons = _verdict(alignment, change, findings, _inexact(change, config))
    if not usable or verdict == "cannot compare":
        verdict, change = "cannot compare", change.without_values()
    return Comparison(
        alignment, change, findings, pairs, round_new, round_other, least, verdict, reasons
    )


def measure(scan: Scan, grid: SurfaceGrid, lowest_deg: float) -> Measured:
    """What is known of a scan's surface.

    Args:
        scan: The scan, in the grid's frame.
        grid: Where it is told.
        lowest_deg: Angle that looks to the ground, degrees.
    """
    heights = mesh_heights(scan.vertices, scan.faces, scan.inferred, grid)
    field = field_over(grid, heights.height)
    touches = touches_of(scan.cameras, scan.frame_paths, scan.alpha_paths, field)
    return Measured(heights, touches, lowest_deg)


def _inexact(change: Change, config: CompareConfig) -> list[dict[str, str]]:
    """Why a film does not agree with itself well enough, for each that does not."""
    most = 2 * config.max_misfit * float(change.grid.section[:, 0].max())
    return [
        {
            "code": f"{side}-inexact",
            "text": f"the outlines in the frames of the {side} film lie {1000 * misfit:.1f} mm "
            "apart: its cameras are too inexact; film again, closer, all of the tyre in every "
            "picture",
        }
        for side, misfit in zip(("new", "damaged"), change.misfit_m, strict=True)
        if misfit > most
    ]


def _verdict(
    alignment: Alignment,
    change: Change,
    findings: Sequence[Finding],
    inexact: Sequence[dict[str, str]],
) -> tuple[Verdict, list[dict[str, str]]]:
    """What it comes to, and what it cannot say."""
    reasons = list(inexact)

    def say(about: str, text: str) -> None:
        reasons.append({"code": about, "text": text})

    if alignment.anchor == "diameter":
        say(
            "no-anchor",
            "the sidewalls show no marks that both films share: the scales come from the outer "
            "diameters, so that wear of the tread cannot be told, nor places be matched",
        )
    elif not alignment.spin_certain:
        say(
            "spin-ambiguous",
            "the sidewalls' marks fit at another angle nearly as well: what is told all round "
            "holds, places by angle may be off by the distance of like marks; a flat spot of the "
            "new tyre may then be told as one of the damaged, and the other way round; cuts and "
            "what else only looks different are not told",
        )
    zones = [z for z in change.zones if math.isfinite(z.mean_change_mm)]
    if len(zones) < len(change.zones):
        missing = ", ".join(z.name for z in change.zones if not math.isfinite(z.mean_change_mm))
        say("zones-unseen", f"both films together do not show enough of the tread: {missing}")
    if not zones or not math.isfinite(change.pixel_m):
        say("tread-unseen", "the tread is not seen in both films: film all round the tyre")
        return "cannot compare", reasons
    finest = min(z.lod95_mm for z in zones)
    if _TOO_COARSE_MM < finest < math.inf:
        say("too-coarse", f"only changes above {finest:.1f} mm could be told: film closer")
    if finest > _TOO_COARSE_MM or inexact or alignment.anchor == "diameter":
        return "cannot compare", reasons
    found = [f for f in findings if f.certainty >= FOUND]
    if found or any(z.significant for z in zones):
        return "changed", reasons
    return "not detectable", reasons


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """What is told of a comparison, as plain JSON types; what is not known is null."""
    change, alignment = comparison.change, comparison.alignment
    whole = {
        "verdict": comparison.verdict,
        "reasons": comparison.reasons,
        "alignment": alignment.to_dict(),
        "zones": [
            {
                "name": z.name,
                "from_mm": z.from_mm,
                "to_mm": z.to_mm,
                "mean_change_mm": z.mean_change_mm,
                "lod95_mm": z.lod95_mm,
                "significant": z.significant,
                "coverage": z.coverage,
                "frames": z.frames,
            }
            for z in change.zones
        ],
        "findings": [f.to_dict() for f in comparison.found],
        "doubtful": [f.to_dict() for f in comparison.findings if f not in comparison.found],
        "cells": {
            "rows": change.cells.shape[0],
            "columns": change.cells.shape[1],
            "measured": float((change.cell_measured >= 0.5).mean()),
            "significant": float(change.significant.mean()),
            "median_lod95_mm": 1000 * float(np.median(change.cell_lod)),
        },
        "run_out": {
            "new_mm": _peak_to_peak(comparison.round_new),
            "damaged_mm": _peak_to_peak(comparison.round_other),
            "off_centre_mm": change.off_centre_mm,
            "least_flat_spot_mm": 1000 * comparison.least_spot_m,
        },
        "conicity_mm_per_100_mm": _conicity(change),
        "pixel_mm": 1000 * change.pixel_m,
        "misfit_mm": [1000 * m for m in change.misfit_m],
    }
    return dict(_plain(whole))


def _peak_to_peak(found: Roundness) -> float:
    """Deviation from round over short arcs, 2nd to 98th percentile, millimetres."""
    known = found.height[np.isfinite(found.height)]
    return 1000 * float(np.ptp(np.quantile(known, (0.02, 0.98)))) if len(known) else math.nan


def _conicity(change: Change) -> float:
    """Slope of the change across the tread, millimetres a hundred millimetres of width."""
    zones = [z for z in change.zones if math.isfinite(z.mean_change_mm)]
    if len(zones) < 3:
        return math.nan
    middles = [(z.from_mm + z.to_mm) / 2 for z in zones]
    return 100 * float(np.polyfit(middles, [z.mean_change_mm for z in zones], 1)[0])


def _plain(value: Any) -> Any:
    """Numbers rounded to four digits after the point, 0 without a sign; null for no number."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 4) + 0.0 if math.isfinite(value) else None
    return value
