"""Drawings of a comparison, element by element."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

from tasks.report.comparison_charts import roundness_chart, zones_chart, zones_over_films


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
