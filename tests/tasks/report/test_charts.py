"""The drawings: well-formed, everything at its place."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from tasks.report.charts import coverage_chart, sharpness_chart
from tasks.report.comparison_charts import roundness_chart, zones_chart, zones_over_films

FRAMES = [
    {"index": 0, "kind": "chosen", "time_s": 0.0, "sharpness": 1.0, "angle_deg": 0.0},
    {"index": 1, "kind": "other", "time_s": 1.0, "sharpness": 4.0, "angle_deg": 90.0},
    {"index": 2, "kind": "held-out", "time_s": 2.0, "sharpness": None, "angle_deg": None},
]
CONTENT: dict[str, Any] = {
    "frames": FRAMES,
    "coverage": {
        "gaps_deg": [[90.0, 360.0]],
        "seen_deg": 90.0,
        "parts": ["tread"] * 72,
        "clockwise": False,
    },
    "is_film": True,
}


def dots(svg: str) -> dict[str, tuple[float, float]]:
    root = ElementTree.fromstring(svg)
    found = [e for e in root.iter("circle") if "dot" in e.attrib["class"]]
    return {e.attrib["class"]: (float(e.attrib["cx"]), float(e.attrib["cy"])) for e in found}


def test_frames_lie_at_their_angles() -> None:
    places = dots(coverage_chart(CONTENT))
    assert set(places) == {"dot chosen", "dot other"}
    (x0, y0), (x1, y1) = places["dot chosen"], places["dot other"]
    assert x0 == pytest.approx(160)
    assert y0 > 160, "the first frame is at the bottom"
    assert x1 > 160, "and angles grow to the right"
    assert y1 == pytest.approx(160)
    assert math.hypot(x1 - 160, y1 - 160) == pytest.approx(math.hypot(x0 - 160, y0 - 160))


def test_coverage_is_told_in_words() -> None:
    title = ElementTree.fromstring(coverage_chart(CONTENT)).findtext("title")
    assert title == "2 frames round the tyre, 90 of 360 degrees filmed; gaps: 90° to 360°"


def test_sharpness_grows_upwards_over_time() -> None:
    svg = sharpness_chart(CONTENT)
    places = dots(svg)
    assert set(places) == {"dot chosen", "dot other"}
    (x0, y0), (x1, y1) = places["dot chosen"], places["dot other"]
    assert x0 < x1
    assert y1 < y0
    assert (202 - 0.25 * (y0 - y1) * 4 / 3 - y0) == pytest.approx(0, abs=2)
    assert ">1.0 s<" in svg


def test_pictures_have_numbers_in_place_of_times() -> None:
    assert " s</text>" not in sharpness_chart({**CONTENT, "is_film": False})


def test_without_a_measure_there_is_no_drawing() -> None:
    assert sharpness_chart({**CONTENT, "frames": FRAMES[2:]}) == ""


def test_the_scales_of_a_comparison_fit_into_the_drawing() -> None:
    """At 15 pixels, which a phone needs, a digit being 9 wide."""
    svg = roundness_chart([0.5, -0.4] * 36, [0.0] * 72)
    texts = [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]
    assert {"-1 mm", "360°"} <= {text.text for text in texts}
    for text in texts:
        width, x = 9.0 * len(text.text or ""), float(text.get("x", ""))
        left = x - width if "end" in text.get("class", "").split() else x - width / 2
        right = x if "end" in text.get("class", "").split() else x + width / 2
        assert left >= 0, text.text
        assert right <= 720, text.text


def test_values_of_zones_do_not_collide() -> None:
    names = ("inner-shoulder", "inner", "centre", "outer", "outer-shoulder")
    zones = [
        {"name": n, "mean_change_mm": -12.34, "lod95_mm": 11.67, "significant": True} for n in names
    ]
    root = ElementTree.fromstring(zones_chart(zones))
    rows: dict[str, list[tuple[float, str]]] = {}
    for text in root.iter("text"):
        if "text-anchor:middle" in text.attrib.get("style", ""):
            rows.setdefault(text.attrib["y"], []).append((float(text.attrib["x"]), text.text or ""))
    assert [len(row) for row in rows.values()] == [5, 5, 5]
    for row in rows.values():
        for (x0, one), (x1, other) in itertools.pairwise(row):
            assert x1 - x0 > 8.2 * (len(one) + len(other)) / 2, (one, other)


def test_a_change_of_nothing_has_no_sign() -> None:
    zone = {"name": "a", "mean_change_mm": -0.004, "lod95_mm": 0.5, "significant": False}
    for svg in (zones_chart([zone]), zones_over_films("a", [("b", [zone])])):
        assert "0.00 mm" in svg
        assert "-0.00" not in svg
        assert "+0.00" not in svg


def test_many_films_have_labels_and_names_apart() -> None:
    zones = [
        {"name": f"zone-{k}", "mean_change_mm": -2.0, "lod95_mm": 0.5, "significant": True}
        for k in range(5)
    ]
    few = zones_over_films("a", [("new & old", zones), ("stint-2", zones)])
    assert "rotate(" not in few
    long = zones_over_films("a", [(f"{k}: 2026-11-30, Hockenheim", zones) for k in range(2)])
    shown = [t for t in ElementTree.fromstring(long).iter("text") if t.find("title") is not None]
    assert [len("".join(t.itertext())) - len(t.findtext("title") or "") for t in shown] == [18, 18]
    many = zones_over_films("a", [(f"after <stint> {k}, Hockenheim", zones) for k in range(40)])
    texts = list(ElementTree.fromstring(many).iter("text"))
    aslant = [t for t in texts if "transform" in t.attrib]
    places = [float(t.attrib["x"]) for t in aslant]
    assert min(b - a for a, b in itertools.pairwise(places)) > 16
    assert aslant[0].findtext("title") == "after <stint> 0, Hockenheim"
    names = sorted(float(t.attrib["y"]) for t in texts if "zone-" in t.attrib["class"])
    assert min(b - a for a, b in itertools.pairwise(names)) >= 15
    assert names[-1] < min(float(t.attrib["y"]) for t in aslant), "above the labels"
