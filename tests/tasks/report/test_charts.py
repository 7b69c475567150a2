"""The drawings: well-formed, everything at its place."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from tasks.report.charts import coverage_chart, sharpness_chart

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
