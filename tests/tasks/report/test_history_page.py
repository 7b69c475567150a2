"""The page of tyres over time: what it says of films and of a gauge study."""

from __future__ import annotations

import re
from typing import Any

from tasks.comparison.gauge import gauge_study
from tasks.comparison.over_time import Comparison
from tasks.report.history_page import history_page


def _zone(name: str, mean: float | None, *, significant: bool = False) -> dict[str, Any]:
    lod = None if mean is None else 0.5
    return {
        "name": name,
        "mean_change_mm": mean,
        "lod95_mm": lod,
        "significant": significant,
        "coverage": 1.0,
    }


def _film(label: str, *means: float | None) -> Comparison:
    zones = [_zone(f"zone-{k}", mean, significant=mean == -2.0) for k, mean in enumerate(means)]
    return Comparison(
        f"fl.{label}", "fl", label, "x.mp4", "", "completed", "changed", [], zones, against="new"
    )


def test_a_tyre_is_drawn_from_film_to_film() -> None:
    films = [_film("1", -0.1, None), _film("2", -2.0, -0.3)]
    page = history_page("out", films, None, "now")
    chart = page[page.index("<svg") : page.index("</svg>")]
    assert len(re.findall(r"<circle", chart)) == 3
    assert chart.count('class="zone-0 told"') == 1
    assert "zone 0: -2.00 mm, told from 0.50 mm" in chart
    table = page[page.index("<tbody") : page.index("</tbody>")]
    assert ">-2.00<" in table
    assert "Gauge" not in page
    assert "against the film “new”" in page


def test_what_cannot_be_compared_shows_no_figures() -> None:
    refused = Comparison(
        "fl.1", "fl", "1", "x.mp4", "", "completed", "cannot compare", ["new-inexact"],
        [_zone("centre", -9.0, significant=True)],
    )  # fmt: skip
    page = history_page("out", [refused], None, "now")
    assert "-9.00" not in page
    assert "<svg" not in page
    assert "new-inexact" in page
    assert 'data-label="Findings"></td>' in page, "none were looked for: that is no 0"


def test_a_study_is_told_with_its_verdict() -> None:
    study = gauge_study({("a", ""): [0.0, 0.1], ("b", ""): [1.0, 1.1]}, tolerance=1.0)
    page = history_page("out", [_film("1", -0.1)], study, "now")
    assert "42 % of a tolerance of 1 mm: unfit" in page  # 6 x 0.1 / sqrt(2)
    assert "not told: there is one operator" in page
    assert "<dt>films that count</dt><dd>1 of 1</dd>" in page
