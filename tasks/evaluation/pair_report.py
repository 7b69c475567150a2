"""The evaluation of comparisons as a card: what was asked of them, what they did, pair by pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.evaluation.pairs import ZONE_MM

_SCALE_PERCENT = 0.15
_CELLS = 0.05
_EXPECTED = {
    "null_without_finding": "9 of 10",
    "null_cells_within_5_percent": "all",
    "even_within_0.5_mm": "all",
    "zones_within_0.5_mm": "18 of 20",
    "zone_lod95_mm": "at most 1.0; 0.5 in 4K",
    "intervals_hold": "90 to 98 %",
    "scale_within_0.15_percent": "all",
    "flat-spot_found": "18 of 20",
    "cut_found": "16 of 20",
    "false_findings": "at most 1 in 20 pairs",
    "seconds_worst": "at most 60",
}
"""What 1080p films are to give."""


def summarise_pairs(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures over all pairs; a pair that failed or was not compared counts as missed.

    Args:
        results: One record a pair: what :func:`tasks.evaluation.pairs.score_comparison` gave, or
            ``error``.

    Returns:
        Counts as ``[right, of]``, and medians; None where nothing was of the kind.
    """
    done = [r for r in results if "error" not in r]
    null = [r for r in results if r["kind"] == "null"]
    measured = [z for r in done for z in r["zones"] if z["error_mm"] is not None]
    seconds = [r["seconds"] for r in done if r["seconds"] is not None]
    holding = [z["holds"] for z in measured if z["holds"] is not None]
    planted = [p for r in done for p in r["planted"]]
    scale = [abs(r["scale_error_percent"]) for r in done if r["scale_error_percent"] is not None]
    uniform = [r for r in results if r["kind"] == "even"]
    by_zone = [r for r in results if r["kind"] in ("zones", "conical")]
    figures: dict[str, Any] = {
        "pairs": len(results),
        "failed": len(results) - len(done),
        "cannot_compare": sum(r["verdict"] == "cannot-compare" for r in done),
        "verdicts_right": [sum(_verdict_right(r) for r in results), len(results)],
        "null_without_finding": [sum(_quiet(r) for r in null), len(null)],
        "null_cells_within_5_percent": [
            sum(_at_most(r.get("cells_significant"), _CELLS) for r in null), len(null)
        ],
        "null_cells_significant": _median(r.get("cells_significant") for r in null),
        "even_within_0.5_mm": [sum(_zones_right(r) for r in uniform), len(uniform)],
        "zones_within_0.5_mm": [sum(_zones_right(r) for r in by_zone), len(by_zone)],
        "zone_error_mm": _median(abs(z["error_mm"]) for z in measured),
        "zone_lod95_mm": _median(z["lod95_mm"] for z in measured),
        "intervals_hold": [sum(holding), len(holding)],
        "scale_error_percent": _median(scale),
        "scale_within_0.15_percent": [sum(s <= _SCALE_PERCENT for s in scale), len(results)],
        "spin_error_deg": _median(
            abs(r["spin_error_deg"]) for r in done if r["spin_error_deg"] is not None
        ),
        "faces_right": [sum(r.get("faces_right") is True for r in results), len(results)],
        "false_findings": sum(len(r["false_findings"]) for r in done),
        "seconds": _median(seconds),
        "seconds_worst": max(seconds, default=None),
    }  # fmt: skip
    for kind in dict.fromkeys(p["kind"] for p in planted):
        own = [p for p in planted if p["kind"] == kind]
        figures[f"{kind}_found"] = [sum(p["found"] for p in own), len(own)]
    return figures


def write_pair_report(results: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write ``pairs.md`` and ``summary.json`` into a folder."""
    figures = summarise_pairs(results)
    (folder / "summary.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "pairs.md").write_text(card(results, figures))


def card(results: Sequence[Mapping[str, Any]], figures: Mapping[str, Any]) -> str:
    """Markdown: the summary, then every pair, then every planted damage."""
    lines = ["# Comparisons of pairs with known change", ""]
    lines += ["| figure | value | asked |", "|---|---|---|"]
    lines += [f"| {n} | {_value(value)} | {_EXPECTED.get(n, '')} |" for n, value in figures.items()]
    heads = ["pair", "verdict", "anchor", "scale %", "spin °", "zones, error (LoD) mm", "holds"]
    heads += ["cells", "found", "false", "s"]
    lines += ["", "## Pairs", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(_row(r, len(heads)))} |" for r in results]
    heads = ["pair", "planted", "part", "depth mm", "found", "told as", "angle error °"]
    heads += ["depth error mm"]
    lines += ["", "## Planted damage", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for r in results:
        for p in r.get("planted", ()):
            cells = [r["name"], p["kind"], p["part"], _value(p["depth_mm"])]
            cells += ["yes" if p["found"] else "no", p["told_as"] or "–"]
            cells += [_value(p["angle_error_deg"]), _value(p["depth_error_mm"])]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _row(r: Mapping[str, Any], width: int) -> list[str]:
    if "error" in r:
        return [r["name"], f"failed: {r['error']}", *[""] * (width - 2)]
    zones = " ".join(f"{_value(z['error_mm'])} ({_value(z['lod95_mm'])})" for z in r["zones"])
    holding = [z["holds"] for z in r["zones"] if z["holds"] is not None]
    verdict = r["verdict"] + ("" if _verdict_right(r) else f" (not {r['verdict_expected']})")
    return [
        r["name"],
        verdict,
        r["anchor"],
        _value(r["scale_error_percent"]),
        _value(r["spin_error_deg"]),
        zones,
        f"{sum(holding)} of {len(holding)}",
        _value(r["cells_significant"]),
        f"{sum(p['found'] for p in r['planted'])} of {len(r['planted'])}",
        str(len(r["false_findings"])),
        _value(r["seconds"]),
    ]


def _verdict_right(r: Mapping[str, Any]) -> bool:
    return "error" not in r and r["verdict"] == r["verdict_expected"]


def _quiet(r: Mapping[str, Any]) -> bool:
    """Whether nothing was told of a pair that can be compared and has no change."""
    compared = "error" not in r and r["verdict"] != "cannot-compare"
    return compared and not r["false_findings"] and not any(z["significant"] for z in r["zones"])


def _zones_right(r: Mapping[str, Any]) -> bool:
    """Whether all zones were told within the bound."""
    if "error" in r or r["verdict"] == "cannot-compare":
        return False
    return all(_at_most(None if z["error_mm"] is None else abs(z["error_mm"]), ZONE_MM)
               for z in r["zones"])  # fmt: skip


def _at_most(value: float | None, bound: float) -> bool:
    return value is not None and value <= bound


def _median(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.median(known)) if known else None


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return f"{value[0]} of {value[1]}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
