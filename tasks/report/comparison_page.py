"""The report on a comparison: one HTML page that holds all it shows, as that on a tyre does."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from configs.locations import printable
from tasks.comparison.findings import depth_of, location_of
from tasks.core.phrasing import moment, percent, signed
from tasks.mesh.palette import PALETTE
from tasks.report.comparison_charts import crown_chart, map_chart, roundness_chart, zones_chart
from tasks.report.figures import with_units
from tasks.report.page import render

_SENTENCES = {
    "changed": "The tyre has changed.",
    "not detectable": "No change was found above what these films can tell.",
    "cannot compare": "These two films cannot be compared.",
}
_CLASSES = {"changed": "review", "not detectable": "pass", "cannot compare": "fail"}
_ANCHORS = {
    "sidewall-markings": "marks and rings of the sidewalls, which do not wear",
    "diameter": "the outer diameters: wear all round the tread cannot be told",
}
_KINDS = {
    "flat-spot": "flat spot",
    "visual": "looks different",
}


def comparison_page(
    name: str,
    record: Mapping[str, Any],
    content: Mapping[str, Any],
    preview: bytes,
    tyres: Sequence[bytes] = (),
) -> str:
    """The page.

    Args:
        name: The comparison's name, in anybody's words.
        record: What lies beside it as JSON.
        content: From :func:`tasks.report.comparison_content.comparison_content`; besides, if there
            is one, ``picture``: a ``data:`` address of the mesh from three sides.
        preview: A small GLB of the new tyre with the change as its colours.
        tyres: Small GLBs of the new tyre and of the damaged one in its frame; none where there are
            none.
    """
    name = printable(name)
    verdict = record["verdict"]
    return render(
        "comparison.html.j2",
        name=name,
        verdict=verdict,
        kind=_CLASSES[verdict],
        sentence=_SENTENCES[verdict],
        worn=_worn(record["zones"]),
        doubtful=_doubtful(record, len(content["findings"])),
        reasons=record["reasons"],
        facts=[f"{side}: {printable(record[side]['name'])}" for side in ("new", "damaged")],
        findings=[_finding(n, f) for n, f in enumerate(content["findings"], 1)],
        alignment=_alignment(record),
        zones=Markup(zones_chart(record["zones"])),  # numbers and words of ours alone
        crown=Markup(crown_chart(content["crown"])),  # likewise
        roundness=Markup(roundness_chart(content["round_new"], content["round_damaged"])),
        map=Markup(map_chart(content)),
        legend=content["legend"],
        faces=content["faces"],
        picture=content.get("picture", ""),
        limits=_limits(record),
        origin=_origin(record),
        data={"name": name, "cameras": [], "palette": PALETTE, "level": "preview"},
        mesh=base64.b64encode(preview).decode(),
        tyres=[base64.b64encode(each).decode() for each in tyres],
        script_name="viewer.js",
        footer=f"Made {moment(record['made_at'])} by Tyre3D {record['tyre3d']}. "
        "This file holds all that it shows; it loads nothing.",
    )


def _worn(zones: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Zones of the tread that changed, and by how much."""
    return [
        (
            z["name"].replace("-", " "),
            f"{signed(z['mean_change_mm']).replace('-', '−')} ± {z['lod95_mm']:.2f} mm",
        )
        for z in zones
        if z["significant"]
    ]


def _finding(number: int, finding: Mapping[str, Any]) -> dict[str, Any]:
    size = f"{finding['length_mm']:.0f} × {finding['width_mm']:.0f} mm"
    radius = f"radius {finding['radius_mm']:.0f} mm" if finding["part"] != "tread" else ""
    return {
        "number": number,
        "kind": _KINDS.get(finding["kind"], finding["kind"]),
        "place": with_units(", ".join(filter(None, (location_of(finding), radius)))),
        "size": with_units(", ".join(filter(None, (size, depth_of(finding))))),
        "certainty": percent(finding["certainty"]),
    }


def _doubtful(record: Mapping[str, Any], found: int) -> list[dict[str, Any]]:
    """What is not certain, numbered after the findings; the drawings do not show it."""
    if record["verdict"] == "cannot compare":
        return []
    return [_finding(n, f) for n, f in enumerate(record["doubtful"], found + 1)]


def _alignment(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    a = record["alignment"]
    rows = [("taken from", _ANCHORS[a["anchor"]])]
    if a["anchor"] == "diameter":
        return rows
    margin = 1.96 * (a["scale_sd"] or 0.0)
    turned = "the same face looks outwards" if a["faces"] == "same" else "the other face outwards"
    certain = "certain" if a["spin_certain"] else "not certain: like marks repeat"
    return [
        *rows,
        ("faces", turned),
        ("turned by", f"{round(a['spin_deg'], 1) % 360:.1f}° clockwise, {certain}"),
        (
            "scale",
            f"the damaged result was {a['scale_ratio']:.4f} ± {margin:.4f} times as large",
        ),
        ("marks", f"{a['num_marks']}, {_mm(a['residual_mm'])} apart in the mean"),
        ("what is left", f"{_mm(a['registration_mm'])} (one standard deviation)"),
    ]


def _limits(record: Mapping[str, Any]) -> list[str]:
    cells, run_out = record["cells"], record["run_out"]
    spot = run_out["least_flat_spot_mm"]
    seen = (
        f"{percent(cells['measured'])} of the outer surface were seen in both films; what is "
        "hatched was not."
    )
    pixel = f"A pixel of the coarser film covers {_mm(record['pixel_mm'])}"
    if record["verdict"] == "cannot compare":
        return [seen, f"{pixel}.", "Nothing that the drawings show is a change that could be told."]
    lines = [
        seen,
        f"{pixel}; cells of the map tell changes from {_mm(cells['median_lod95_mm'])} on.",
        "Round the tyre the meshes are smooth: a change in one place of a sidewall shows weaker "
        "than it is.",
        f"A part of {_mm(run_out['off_centre_mm'])} that goes once round the tyre was taken out: "
        "films do not tell it from the axle's place.",
        f"Flat spots are told from {_mm(spot)} on."
        if spot is not None
        else "The outlines do not tell whether there are flat spots.",
    ]
    return [*lines, "Optical; zones after ASTM F421, which is about contact gauges."]


def _mm(value: float | None) -> str:
    return "an unknown length" if value is None else f"{value:.2f} mm"


def _origin(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for side in ("new", "damaged"):
        tyre = record[side]
        rows.append(
            (side, f"{printable(tyre['name'])}, sha256 {tyre['sha256']}, verdict {tyre['verdict']}")
        )
    return [*rows, ("code", f"tyre3d {record['tyre3d']}, compare {record['code']}")]
