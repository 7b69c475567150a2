"""The report in a real browser: it shows the tyre, obeys its buttons, and asks nobody.

Not among the default tests, for it needs a browser: ``make test-browser``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.browser import told_by_browser
from tests.tasks.report.scene import report_of

pytestmark = pytest.mark.browser
NAME = """a "tyre" <script>alert(1)</script>"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    page = tmp_path_factory.mktemp("page") / "tyre.html"
    page.write_text(report_of(page.parent / "film", NAME), encoding="utf-8")
    return told_by_browser("browser.mjs", page)


def apart(told: dict[str, Any], one: str, other: str, where: str = "middle") -> float:
    """How far two views' mean colours are apart, of 255."""
    views = told["views"]
    return float(np.abs(np.subtract(views[one][where], views[other][where])).max())


def test_the_canvas_shows_the_tyre(told: dict[str, Any]) -> None:
    assert told["state"] == "ready"
    view = told["views"]["photo"]
    assert np.abs(np.subtract(view["middle"], view["edge"])).max() > 40, "drum and ground differ"
    assert 0.2 < view["dark"] < 0.8


def test_nothing_is_asked_and_nothing_goes_wrong(told: dict[str, Any]) -> None:
    lost_on_purpose = [f"THREE.WebGLRenderer: Context {what}." for what in ("Lost", "Restored")]
    assert told["said"] == lost_on_purpose
    others = [url for url in told["asked"][1:] if not url.startswith(("data:", "blob:"))]
    assert told["asked"][0].startswith("file:")
    assert others == []


def test_colours_follow_the_buttons(told: dict[str, Any]) -> None:
    assert told["pressed"]["provenance"] == ["provenance"]
    assert told["pressed"]["disagreement"] == ["disagreement"]
    assert told["pressed"]["photo"] == ["photo"]
    assert told["pressed"]["key"] == "true"
    assert apart(told, "mode provenance", "photo") > 20
    assert apart(told, "mode disagreement", "mode provenance") > 20
    assert apart(told, "mode photo", "photo") < 2
    assert told["vertices"] is not None, "without a texture there is one kind of colours"


def test_wireframe_cameras_section_and_frames(told: dict[str, Any]) -> None:
    assert apart(told, "wireframe", "photo") > 5
    assert told["views"]["cameras"]["dark"] < 0.6 * told["views"]["photo"]["dark"], "from afar"
    red, green, _ = told["views"]["section across"]["middle"]
    assert red > green + 40, "the cut is seen"
    assert told["notes"] == {
        "before": [False, False],
        "wireframe": False,
        "cameras": True,
        "section": True,
    }
    assert told["statuses"]["section across"] == "Section: across the axle, 0 mm from the middle"
    assert told["statuses"]["section along"] == "Section: along the axle, at 0°"
    assert told["statuses"]["from a frame"] == "Seen from where frame 0 was filmed"
    assert apart(told, "turned by keys", "photo") > 2


def test_the_wheel_scrolls_the_page_until_the_viewer_was_clicked(told: dict[str, Any]) -> None:
    assert told["scrolled"]["wheel"] > 50
    assert apart(told, "wheel scrolled", "photo") < 2
    assert told["views"]["wheel scrolled"]["dark"] == pytest.approx(
        told["views"]["photo"]["dark"], abs=0.01
    )
    assert told["scrolled"]["wheel after a click"] == 0
    assert told["views"]["nearer"]["dark"] != pytest.approx(
        told["views"]["photo"]["dark"], abs=0.02
    )


def test_the_picture_comes_back_with_the_graphics_card(told: dict[str, Any]) -> None:
    assert apart(told, "card is back", "photo") < 2
    assert told["views"]["card is back"]["dark"] > 0.2


def test_keys_do_what_buttons_do(told: dict[str, Any]) -> None:
    assert {told["pressed"]["w"], told["pressed"]["c"]} == {"true"}
    assert told["pressed"]["s"] == "along"
    red, green, _ = told["views"]["section along"]["middle"]
    assert red > green + 40, "the cut is seen"


def test_mesh_and_picture_can_be_carried_away(told: dict[str, Any]) -> None:
    assert told["saved"].endswith(".preview.glb")
    assert told["picture"].endswith(".png")


def test_it_is_dark_where_that_is_wished_and_white_on_paper(told: dict[str, Any]) -> None:
    (light, on_light), (dark, on_dark) = told["light"], told["dark"]
    assert min(light) > 200 > 100 > max(on_light)
    assert max(dark) < 60 < 180 < min(on_dark)
    assert told["paper"]["shades"] == [[255, 255, 255], [0, 0, 0]]
    assert not told["paper"]["tools"]
    assert told["paper"]["mesh"], "the picture stands in for the canvas"
    assert not told["paper"]["hints"], "nobody clicks on paper"


def test_no_page_is_wider_than_its_window(told: dict[str, Any]) -> None:
    assert told["width"] <= 900
    assert told["phone"] <= 360
