"""The report on a batch: a table of its tyres that sorts, filters and leads to their reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from configs.locations import parent_and_name, printable
from tasks.batch.manifest import Entry
from tasks.core.phrasing import moment
from tasks.report.page import render

_ORDER = {"failed": 0, "fail": 1, "review": 2, "pending": 3, "pass": 4}
"""How a table is sorted at first: what wants a person comes first."""


@dataclass(frozen=True)
class Beside:
    """What the metadata of a tyre add to its entry of the manifest.

    Args:
        report: Name of the report beside the batch's page; empty where there is none.
        thumbnail: A ``data:`` address; empty where there is none.
    """

    report: str = ""
    thumbnail: str = ""

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Beside:
        """What metadata say; those of older releases say nothing."""
        thumbnail = str(metadata.get("thumbnail", ""))
        return cls(
            parent_and_name(str(metadata.get("report_path", "")))[1],
            thumbnail if thumbnail.startswith("data:image/") else "",
        )


def batch_page(
    name: str, entries: Sequence[Entry], beside: Mapping[str, Beside], made_at: str
) -> str:
    """The page.

    Args:
        name: Name of the batch's folder.
        entries: All tyres of the manifest.
        beside: What their metadata add, by the tyres' names.
        made_at: When the batch ended, for the page's foot.
    """
    rows = [_row(entry, beside.get(entry.name, Beside())) for entry in entries]
    rows.sort(key=lambda row: (_ORDER[row["outcome"]], row["name"].lower()))
    outcomes = Counter(row["outcome"] for row in rows)
    return render(
        "batch.html.j2",
        name=printable(name),
        rows=rows,
        counts=[(outcome, outcomes[outcome]) for outcome in _ORDER if outcomes[outcome]],
        made_at=moment(made_at),
        script_name="batch.js",
    )


def _row(entry: Entry, beside: Beside) -> dict[str, Any]:
    """A tyre as the template shows it: texts as people read them, links by names."""
    return {
        "name": printable(entry.name),
        # a mesh that nobody judged, of an older release, is to be looked at
        "outcome": (entry.verdict or "review") if entry.state == "completed" else entry.state,
        "why": [printable(text) for text in entry.why],
        "report": _link(beside.report),
        "thumbnail": beside.thumbnail,
        "glb": _link(parent_and_name(entry.glb)[1]),
        "metadata": _link(parent_and_name(entry.metadata)[1]),
        "input": printable(entry.input),
        "seconds": round(entry.seconds, 1) if entry.state != "pending" else "",
        "faces": _figure(entry, "num_faces", 1, 0),
        "width_mm": _figure(entry, "width_mm", 1, 0),
        "inferred": _figure(entry, "share_inferred", 100, 0),
        "overlap": _figure(entry, "silhouette_iou", 1, 3),
        "made": entry.state == "completed",
        "warnings": [printable(text) for text in entry.warnings],
        "run": entry.flow_run_url if entry.flow_run_url.startswith(("http://", "https://")) else "",
    }


def _link(name: str) -> str:
    """A file beside the page as a link: never an address, whatever it is called."""
    return f"./{quote(name, errors='surrogateescape')}" if name else ""


def _figure(entry: Entry, name: str, factor: float, digits: int) -> str:
    value = entry.figures.get(name)
    return "" if value is None else f"{factor * float(value):.{digits}f}"
