"""The page that a finished comparison shows in Prefect's UI."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact

from configs.settings import Settings
from flows.support.events import slug
from flows.support.links import address_of
from flows.support.page import escaped, table
from tasks.comparison.findings import depth_of, location_of
from tasks.core.phrasing import signed
from tasks.storage.results import Results

_LINKED = {"report": ".html", "GLB": ".change.glb"}
_log = logging.getLogger("tyre3d")


def publish_comparison(
    name: str, record: Mapping[str, Any], results: Results, settings: Settings
) -> None:
    """Put verdict, zones and findings into Prefect's UI; never fails a run.

    Args:
        name: The comparison's name.
        record: What lies in ``NAME.json``.
        results: The folder of the comparison.
        settings: How storage is reached.
    """
    try:
        page = comparison_summary(name, record, results, settings)
        about = f"What changed: {escaped(name)}"
        create_markdown_artifact(page, key=f"comparison-{slug(name)}", description=about)
    except Exception as exc:  # noqa: BLE001  the result is there, whatever becomes of its page
        _log.warning("no summary in Prefect's UI: %s: %s", type(exc).__name__, exc)


def comparison_summary(
    name: str, record: Mapping[str, Any], results: Results, settings: Settings
) -> str:
    """A page of Markdown.

    Args:
        name: The comparison's name.
        record: What lies in ``NAME.json``.
        results: The folder of the comparison.
        settings: How storage is reached.
    """
    locations = {label: results.location(f"{name}{suffix}") for label, suffix in _LINKED.items()}
    links = [
        f"[{label}]({address})"
        for label, location in locations.items()
        if (address := address_of(location, settings))
    ]
    sides = [(side, *_side_row(record[side])) for side in ("new", "damaged")]
    zones = [
        (
            zone["name"].replace("-", " "),
            _number(zone["mean_change_mm"], signed),
            _number(zone["lod95_mm"], "{:.2f}".format),
            "yes" if zone["significant"] else "not told",
        )
        for zone in record["zones"]
    ]
    findings = [
        (
            each["kind"],
            location_of(each),
            f"{each['length_mm']:.0f} x {each['width_mm']:.0f}",
            depth_of(each),
            f"{each['certainty']:.0%}",
        )
        for each in record["findings"]
    ]
    found = table(("finding", "place", "size, mm", "depth", "certainty"), findings)
    compared = record["verdict"] != "cannot compare"
    nothing = "Nothing was found that has a place." if compared else ""
    return "\n".join(
        [
            f"# {escaped(name)}",
            "",
            f"**Verdict: {record['verdict']}**",
            "",
            *(f"- {escaped(r['text'])} (`{r['code']}`)" for r in record["reasons"]),
            "",
            " · ".join(links) or f"Report: {escaped(str(locations['report']))}",
            "",
            *table(("tyre", "film", "diameter, mm", "verdict on its mesh"), sides),
            "",
            *(found if findings else [nothing]),
            "",
            *table(("zone of the tread", "mean change, mm", "told from, mm", "changed"), zones),
        ]
    )


def _side_row(side: Mapping[str, Any]) -> tuple[str, str, str]:
    """Film, diameter and verdict of one of both tyres."""
    return escaped(side["name"]), f"{side['diameter_mm']:g}", side["verdict"]


def _number(value: float | None, form: Callable[[float], str]) -> str:
    return "" if value is None else form(value)
