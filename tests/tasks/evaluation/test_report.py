"""Summaries of records whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.evaluation.report import over_easy, side_by_side, summarise, table, write_report


def record(kind: str, seed: int, chamfer: float, **more: Any) -> dict[str, Any]:
    """A film's record; easy ones have baselines."""
    scores = {"chamfer": chamfer, "f1": 0.5, "f2": 0.9, "f5": 1.0, "normal_consistency": 0.9}
    seen = {**scores, "chamfer": chamfer / 2}
    easy = {
        "single": [{"surface": scores, "aligned": {**scores, "chamfer": 2.0}}],
        "annulus": {"chamfer": 3.0, "f2": 0.5},
        "hull": {"aligned": {"chamfer": 4.0, "f2": 0.4}},
    }
    return {
        "name": f"{seed}-{kind}",
        "seed": seed,
        "kind": kind,
        "capture": "stand" if kind == "hard" else kind,
        "masks": {"iou": 0.98, "iou_worst": 0.9, "openings": np.nan, "boundary": 0.4},
        "poses": {"rotation_deg": 0.1, "axle_deg": 0.2, "focal_percent": 1.0, "share": 0.95},
        "fused": {"posed": scores, "aligned": scores, "seen_side": seen, "width_percent": -3.0},
        "seen_share": 0.9,
        "silhouette_iou": 0.9,
        "seconds": 10.0,
        "verdict": "pass",
        "reasons": [],
        **(easy if kind == "easy" else {}),
        **more,
    }


def lost(kind: str, seed: int) -> dict[str, Any]:
    """The record of a film without a mesh."""
    error = "[poses-failed] no cameras"
    return {"name": f"{seed}-{kind}", "seed": seed, "kind": kind, "capture": kind, "error": error}


def test_a_failed_film_counts_as_lost() -> None:
    figures = summarise([record("easy", 1, 1.0), lost("easy", 2)])
    assert (figures["films"], figures["failed"]) == (2, 1)
    assert (figures["beats_annulus"], figures["beats_best_single"]) == (0.5, 0.5)
    assert figures["chamfer"] == 1.0
    assert "poses-failed" in table([record("easy", 1, 1.0), lost("easy", 2)])


def test_figures_are_medians_and_worst_cases_and_what_nobody_has_is_nan() -> None:
    films = [record("hard", s, c) for s, c in ((1, 1.0), (2, 2.0), (3, 6.0))]
    figures = summarise(films)
    assert (figures["chamfer"], figures["chamfer_worst"]) == (2.0, 6.0)
    assert figures["chamfer_seen_side"] == 1.0
    assert figures["width_error_percent"] == 3.0
    assert np.isnan(figures["openings_kept_open"])
    assert np.isnan(figures["volume_iou"])
    assert "beats_annulus" not in figures, "no baselines but for easy films"
    assert figures["verdict_pass"] == 3
    assert figures["passed_beyond_2.5_percent"] == 1, "6.0 should not have passed"


def test_a_kind_is_held_against_the_same_tyres_easy_films() -> None:
    results = [record("easy", 1, 1.0), record("easy", 2, 2.0), record("easy", 3, 0.1)]
    results += [record("hard", 1, 1.5), record("hard", 2, 2.2), lost("hard", 3)]
    assert over_easy(results, "hard") == pytest.approx((1.5 + 1.1) / 2)
    assert over_easy(results, "easy") == 1.0
    assert np.isnan(over_easy(results, "spin"))


def test_the_report_shows_all_kinds_side_by_side(tmp_path: Path) -> None:
    results = [record("easy", 1, 1.0), record("hard", 1, 1.5, verdict="review", reasons=["dark"])]
    write_report(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| figure | easy | hard |" in text
    assert "| chamfer | 1.000 | 1.500 |" in text
    assert "| beats_annulus | 1.000 | – |" in text
    assert "1-hard (stand)" in text
    assert "| review | dark |" in text
    assert set(json.loads((tmp_path / "summary.json").read_text())) == {"easy", "hard"}
    assert side_by_side({"a": {"x": 1.0}, "b": {"y": 2.0}}).count("–") == 2
