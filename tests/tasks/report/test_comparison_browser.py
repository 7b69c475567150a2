"""Both tyres of a comparison in a real browser. Not among the default tests, as the report's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.comparison import CompareConfig
from tasks.comparison.compare import compare_scans, comparison_record
from tasks.mesh.glb import GlbMesh, encode_glb
from tasks.mesh.glb_reader import read_glb
from tasks.mesh.normals import vertex_normals
from tasks.report.comparison_content import comparison_content, rendering_of
from tasks.report.comparison_page import comparison_page
from tests.support.browser import told_by_browser
from tests.tasks.comparison.made import scan

pytestmark = pytest.mark.browser
RED, GREEN, BLUE = range(3)


def _painted(colour: int) -> bytes:
    """The plain tyre in one colour."""
    made = scan()
    colours = np.zeros((len(made.vertices), 3), np.uint8)
    colours[:, colour] = 255
    normals = vertex_normals(made.vertices, made.faces).astype(np.float32)
    normals[~normals.any(axis=1)] = (0.0, 0.0, 1.0)
    vertices = made.vertices.astype(np.float32)
    mesh = GlbMesh(vertices, made.faces, normals, colours, {})
    return encode_glb(mesh, name="tyre", generator="test", extras={})


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    compared = compare_scans(scan(), scan(), CompareConfig())
    side = {"name": "a.mp4", "sha256": "0" * 64, "verdict": "pass"}
    record = comparison_record(compared) | {"new": side, "damaged": side}
    record |= {"code": "c", "tyre3d": "1", "made_at": "now"}
    tyres = [_painted(RED), _painted(BLUE)]
    change = _painted(GREEN)
    content = comparison_content(compared) | {"picture": rendering_of(read_glb(change))}
    page = comparison_page("pair", record, content, change, tyres)
    path = tmp_path_factory.mktemp("page") / "pair.html"
    Path(path).write_text(page, encoding="utf-8")
    return told_by_browser("pair.mjs", path)


def test_each_tyre_shows_where_it_should(told: dict[str, Any]) -> None:
    assert told["said"] == []
    assert told["state"] == "ready"
    shown = {
        name: [int(np.argmax(half)) if max(half) > 2000 else None for half in halves]
        for name, halves in told["halves"].items()
    }
    assert shown == {
        "first": [GREEN, GREEN],
        "new": [RED, RED],
        "damaged": [BLUE, BLUE],
        "beside": [RED, BLUE],
        "over": [RED, BLUE],
        "change": [GREEN, GREEN],
        "border at the end": [RED, RED],
        "cut": [RED, RED],
    }


def test_a_picture_stands_in_for_the_view_where_that_is_printed(told: dict[str, Any]) -> None:
    assert (told["onScreen"], told["printed"]) == (["canvas"], ["img"])


def test_cameras_are_not_said_to_be_shown_where_there_are_none(told: dict[str, Any]) -> None:
    assert "Cameras" not in told["ofCameras"]


def test_both_are_seen_by_one_camera(told: dict[str, Any]) -> None:
    left, right = told["halves"]["beside"]
    assert left[RED] == pytest.approx(right[BLUE], rel=0.02), "the same view of the same shape"
    assert left[BLUE] == right[RED] == 0
    whole, over = told["halves"]["new"], told["halves"]["over"]
    assert over[0][RED] == pytest.approx(whole[0][RED], rel=0.02), "cut out of the whole picture"
