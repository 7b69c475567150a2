"""The page that a run shows: pictures that a browser can decode, figures that are there."""

from __future__ import annotations

import base64
import re
from typing import Any

import cv2
import numpy as np
import trimesh

from flows.support.page import summary
from tasks.mesh.merged import MergedMesh
from tasks.mesh.preview import preview, render
from tasks.report.content import data_uri


def _mesh() -> MergedMesh:
    """A torus round z, its half at +z red, the other blue (RGB)."""
    shape = trimesh.creation.torus(0.27, 0.09, major_sections=48, minor_sections=24)
    corners = np.asarray(shape.vertices, np.float32)
    colours = np.where(corners[:, 2:] >= 0, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    count = len(corners)
    return MergedMesh(
        corners,
        np.asarray(shape.faces, np.int32),
        colours,
        np.ones(count, np.uint8),
        np.zeros(count, np.float32),
        np.zeros(count, bool),
        {},
        (),
    )


METADATA = {
    "output_path": "/out/tyre.glb",
    "bounds_m": [[-0.36, -0.36, -0.09], [0.36, 0.36, 0.09]],
    "num_vertices": 10,
    "num_faces": 20,
    "model": {"name": "tiny"},
    "poses": {"method": "sfm", "motion": "orbit"},
    "figures": {"watertight": 1.0, "silhouette_iou": None, "share_inferred": 0.25},
    "warnings": ["one | two"],
    "verdict": "review",
    "reasons": [
        {"code": "axle-unsure", "level": "review", "message": "it wobbles", "advice": "Film more"}
    ],
    "retake": ["film again between 120° and 165°"],
    "stages": [{"stage": "extract", "state": "Cached", "seconds": 0.5, "made_s": 7.25}],
}


def _content(count: int) -> dict[str, Any]:
    """What a report shows: the mesh, chosen frames and one that was not chosen."""
    frames = [np.full((90, 160, 3), 10 * i, np.uint8) for i in range(count + 1)]
    shown = [
        {"index": i, "kind": "chosen" if i < count else "other", "picture": data_uri(frame, 80)}
        for i, frame in enumerate(frames)
    ]
    return {"picture": data_uri(preview(_mesh()), 80), "frames": shown}


def test_the_mesh_is_seen_from_where_the_eye_is() -> None:
    face, back, tread = render(_mesh(), [(0, 0, 1), (0, 0, -1), (1, 0, 0)], 120)
    ring = 60, 60 + 42  # a point of the ring, right of the hole
    assert int(face[ring][2]) > int(face[ring][0]) + 50  # red, in BGR
    assert int(back[ring][0]) > int(back[ring][2]) + 50
    ground = face[0, 0]
    assert (face[60, 60] == ground).all(), "the hole shows the ground"
    assert (tread[60, 60] != ground).any()
    drawn = (face != ground).any(axis=2).mean(), (tread != ground).any(axis=2).mean()
    assert drawn[0] > 1.5 * drawn[1]


def test_the_page_holds_pictures_and_figures() -> None:
    page = summary("tyre", METADATA, _content(3), {})
    coded = re.findall(r"!\[[^\]]+\]\(data:image/jpeg;base64,([A-Za-z0-9+/=]+)\)", page)
    raw = [np.frombuffer(base64.b64decode(text), np.uint8) for text in coded]
    views, *frames = (cv2.imdecode(content, cv2.IMREAD_COLOR) for content in raw)
    assert views.shape == (240, 720, 3)
    assert [frame.shape for frame in frames] == 3 * [(90, 160, 3)]
    assert len(page) < 200_000
    assert "| size x, y, z, mm | 720 × 720 × 180 |" in page
    assert "| share of the surface that no frame saw | 0.25 |" in page
    assert "outlines" not in page, "a figure that is not known is not shown"
    assert r"- **Warning:** one \| two" in page
    assert "**Verdict: review**" in page
    assert "- it wobbles (`axle-unsure`, review). Film more" in page
    assert "- **Retake:** film again between 120° and 165°" in page
    assert "| extract | Cached | 0.50 | 7.25 |" in page


def test_a_name_brings_no_link_image_or_tag_into_the_page() -> None:
    name = "![x](http://evil/i.png) <img src=http://evil> [a](b) `c`\x1b[2J"
    page = summary(name, METADATA | {"output_path": f"/out/{name}.glb"}, _content(1), {})
    for line in (page.splitlines()[0], page.splitlines()[-1]):
        assert "\x1b" not in line
        assert re.search(r"(?<!\\)[!\[\]<>`]", line) is None, line


def test_the_page_leads_to_report_and_mesh_or_says_how_they_are_opened() -> None:
    metadata = METADATA | {"report_path": "/out/tyre.html"}
    page = summary("tyre", metadata, {}, {})
    assert page.endswith(r"Report: \/out\/tyre\.html (on that machine: tyre3d view, and this path)")
    page = summary("tyre", metadata, {}, {"report": "https://s3/r?x", "GLB": "https://s3/g?x"})
    assert "\n[report](https://s3/r?x) · [GLB](https://s3/g?x)\n" in page
    assert "tyre3d view" not in page
