"""The card of pairs: what failed counts as missed."""

from __future__ import annotations

import copy
from typing import Any

from tasks.evaluation.pair_report import card, summarise_pairs
from tasks.evaluation.pairs import score_comparison
from tests.tasks.evaluation.test_pairs import STANDS, perfect, truth_of


def test_the_card_counts_failures_as_missed() -> None:
    stands = STANDS["as generated"]
    results: list[dict[str, Any]] = []
    for kind in ("null", "even", "flat-spots", "zones"):
        truth = truth_of(kind)
        scores = score_comparison(perfect(truth, *stands), truth, *stands)
        results.append({"name": kind, **scores})
    bad = copy.deepcopy(results[0])
    bad["cells_significant"] = 0.3
    bad["false_findings"] = [{"kind": "visual"}]
    results += [bad, {"name": "gone", "kind": "null", "error": "too few frames"}]
    results.append({**results[3], "verdict": "cannot-compare"})
    figures = summarise_pairs(results)
    assert figures["pairs"] == 7
    assert figures["failed"] == 1
    assert figures["null_without_finding"] == [1, 3]
    assert figures["null_cells_within_5_percent"] == [1, 3]
    assert figures["even_within_0.5_mm"] == [1, 1]
    assert figures["zones_within_0.5_mm"] == [1, 2]
    assert figures["verdicts_right"] == [5, 7]
    spots = [f for f in truth_of("flat-spots").findings]
    assert figures["flat-spot_found"] == [len(spots), len(spots)]
    assert figures["intervals_hold"] == [30, 30]
    assert figures["false_findings"] == 1
    text = card(results, figures)
    assert "| gone | failed: too few frames |" in text
    assert "cannot-compare (not changed)" in text
    assert "| null_without_finding | 1 of 3 | 9 of 10 |" in text
    assert "| flat-spot | tread |" in text
    assert summarise_pairs([])["pairs"] == 0
