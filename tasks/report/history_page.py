"""The report on tyres over time: a table of all comparisons, and how the tread of each went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from configs.locations import printable
from tasks.comparison.gauge import GaugeStudy
from tasks.comparison.over_time import Comparison
from tasks.core.phrasing import moment, signed
from tasks.report.comparison_charts import zones_over_films
from tasks.report.page import render

_ORDER = ("failed", "cannot compare", "changed", "not detectable", "pending")
"""How the table is sorted at first: what wants a person comes first."""
_CLASSES = {
    "failed": "failed",
    "cannot compare": "fail",
    "changed": "review",
    "not detectable": "pass",
    "pending": "pending",
}


def history_page(
    name: str,
    comparisons: Sequence[Comparison],
    study: GaugeStudy | Mapping[str, str] | None,
    made_at: str,
) -> str:
    """The page.

    Args:
        name: Name of the folder.
        comparisons: All of them, a tyre's in order of time.
        study: The gauge study, or why there is none; None where none was asked for.
        made_at: When it was written, for the page's foot.
    """
    ordered = sorted(comparisons, key=lambda c: _ORDER.index(c.outcome))
    counts = Counter(c.outcome for c in comparisons)
    by_tyre: Mapping[str, list[Comparison]] = defaultdict(list)
    for each in comparisons:
        if each.is_compared:
            by_tyre[each.tyre].append(each)
    return render(
        "history.html.j2",
        name=printable(name),
        rows=[_row(each) for each in ordered],
        counts=[(outcome, counts[outcome]) for outcome in _ORDER if counts[outcome]],
        classes=_CLASSES,
        tyres=[
            (
                printable(tyre),
                printable(films[0].against) or "first",
                Markup(
                    zones_over_films(
                        f"tyre-{number}", [(printable(c.label), c.zones) for c in films]
                    )
                ),
            )
            for number, (tyre, films) in enumerate(by_tyre.items())
        ],
        gauge=_gauge(study, comparisons),
        made_at=moment(made_at),
        script_name="batch.js",
    )


def _row(each: Comparison) -> dict[str, Any]:
    measured = [z for z in each.zones if z["mean_change_mm"] is not None]
    most = (
        max(measured, key=lambda z: abs(z["mean_change_mm"]), default=None)
        if each.is_compared
        else None
    )
    return {
        "tyre": printable(each.tyre),
        "label": printable(each.label),
        "outcome": each.outcome,
        "kind": _CLASSES[each.outcome],
        "why": [printable(text) for text in each.why],
        "zone": most["name"].replace("-", " ") if most else "",
        "change": signed(most["mean_change_mm"]) if most else "",
        "lod": f"{most['lod95_mm']:.2f}" if most and most["lod95_mm"] is not None else "",
        "findings": len(each.findings) if each.is_compared else "",
        "operator": printable(each.operator),
        "film": printable(each.film),
        "report": f"./{quote(each.name)}.html" if each.state == "completed" else "",
    }


def _gauge(
    study: GaugeStudy | Mapping[str, str] | None, comparisons: Sequence[Comparison]
) -> dict[str, Any] | None:
    """The study as the template shows it."""
    if study is None:
        return None
    if not isinstance(study, GaugeStudy):
        return {"why": printable(study["message"]), "kind": "review"}
    share = 100 * study.share_of_tolerance
    return {
        "why": "",
        "sentence": f"These films measure the change of a zone to {share:.0f} % of a tolerance of "
        f"{study.tolerance:g} mm: {study.verdict}.",
        "kind": {"good": "pass", "usable": "review", "unfit": "fail"}[study.verdict],
        "verdict": study.verdict,
        "figures": [
            ("repeatability (same tyre, same operator)", f"{study.repeatability:.3f} mm"),
            ("reproducibility (between operators)", f"{study.reproducibility:.3f} mm")
            if len(study.operators) > 1
            else ("reproducibility", "not told: there is one operator"),
            ("both (GRR), one standard deviation", f"{study.gauge:.3f} mm"),
            ("spread of the tyres' zones", f"{study.parts:.3f} mm"),
            ("classes that are told apart (ndc)", f"{study.categories}"),
            ("zones of tyres, operators, measurements", _counts(study)),
            (
                "films that count",
                f"{sum(c.is_compared for c in comparisons)} of {len(comparisons)}",
            ),
        ],
    }


def _counts(study: GaugeStudy) -> str:
    return f"{study.num_parts}, {len(study.operators)}, {study.measurements}"
