"""What a report shows: cameras where they were, pictures of all frames, the gaps."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.stages import ReportConfig
from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.geometry.camera import look_at
from tasks.report.charts import coverage_chart
from tasks.report.content import flattened_of, images_of
from tasks.verdict.coverage import goes_clockwise, way_of
from tests.tasks.report.scene import CHOSEN, COUNT, HELD_OUT, REFUSED, cameras, content_of
from tests.tasks.verdict.scene import estimate, orbit


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return content_of(tmp_path_factory.mktemp("film"))


def decoded(uri: str) -> np.ndarray[Any, Any]:
    head, _, text = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image)


def test_cameras_stand_in_the_frame_of_the_mesh(content: dict[str, Any]) -> None:
    for told, camera in zip(content["cameras"], cameras(), strict=True):
        np.testing.assert_allclose(told["eye"], camera.centre, atol=2e-4)
        middle = np.mean(told["corners"], axis=0) - told["eye"]
        inwards = -np.array(told["eye"]) / np.linalg.norm(told["eye"])
        assert middle @ inwards / np.linalg.norm(middle) > 0.9999
        upper = np.array(told["corners"][0]) - told["corners"][3]
        assert upper[1] > 0, "the image's upper edge is the upper one"


def test_every_frame_is_told_of(content: dict[str, Any]) -> None:
    frames = content["frames"]
    kinds = {
        kind: [f["index"] for f in frames if f["kind"] == kind] for kind in ("chosen", "held-out")
    }
    assert kinds == {"chosen": list(CHOSEN), "held-out": list(HELD_OUT)}
    assert frames[REFUSED]["sharpness"] is None
    assert frames[2]["sharpness"] == 3.0
    assert frames[4]["angle_deg"] == pytest.approx(4 * 270 / COUNT, abs=0.1)
    config = ReportConfig()
    for frame in frames:
        longest = config.chosen_px if frame["kind"] == "chosen" else config.thumbnail_px
        assert max(decoded(frame["picture"]).shape) == min(longest, 320)


def test_what_was_taken_for_the_tyre_is_outlined(content: dict[str, Any]) -> None:
    def green(image: np.ndarray[Any, Any]) -> int:
        blue, middle, red = (image[..., k].astype(int) for k in range(3))
        return int((middle > np.maximum(blue, red) + 40).sum())

    assert green(decoded(content["frames"][0]["picture"])) > 100
    assert green(decoded(content["frames"][REFUSED]["picture"])) == 0


def test_gaps_are_told(content: dict[str, Any]) -> None:
    coverage = content["coverage"]
    ((low, high),) = coverage["gaps_deg"]
    assert low == pytest.approx(270 * (COUNT - 1) / COUNT, abs=0.5)
    assert high == pytest.approx(360, abs=0.5)
    assert coverage["seen_deg"] == pytest.approx(low, abs=0.5)
    assert len(coverage["parts"]) == 72
    assert coverage["parts"][0] == "outer face"
    assert coverage["parts"][36] == "inner face"


@pytest.mark.parametrize("arc_deg", [270.0, -270.0])
def test_frames_and_gap_are_drawn_where_they_are_seen_from_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arc_deg: float
) -> None:
    """Whichever way the walk went: the camera looks up the page at first, +X is to its right."""
    walk = orbit(COUNT, arc_deg=arc_deg)
    monkeypatch.setattr("tests.tasks.report.scene.cameras", lambda: walk)
    root = ElementTree.fromstring(coverage_chart(content_of(tmp_path)))
    dots = {}
    for circle in root.iter("circle"):
        number = re.match(r"frame (\d+),", circle.findtext("title") or "")
        assert number
        dots[int(number[1])] = [float(circle.attrib[k]) - 160 for k in ("cx", "cy")]
    assert len(dots) == COUNT
    for index, camera in enumerate(walk):
        place = camera.centre[[0, 2]] / np.hypot(*camera.centre[[0, 2]])  # +Z is down the page
        np.testing.assert_allclose(dots[index], 116 * place, atol=1.0)
    (gap,) = (e.attrib["d"] for e in root.iter("path") if e.attrib["class"] == "gap")
    x0, y0, large, sweep, x1, y1 = map(
        float, re.findall(r"-?[\d.]+", re.sub(r"A\S+ \S+ 0", "", gap))
    )
    np.testing.assert_allclose([x0 - 160, y0 - 160], dots[COUNT - 1], atol=1.0)
    np.testing.assert_allclose([x1 - 160, y1 - 160], dots[0], atol=1.0)
    assert (large, sweep) == (0.0, float(arc_deg < 0))


@pytest.mark.parametrize("turn_deg", [270.0, -270.0])
def test_a_spin_is_drawn_the_way_the_tyre_turned(turn_deg: float) -> None:
    """Of which the camera's way round it is the opposite."""
    eye = np.array([0.1, 0.0, 1.5])
    still = look_at(eye, np.zeros(3), focal_px=300.0, width=320, height=240)
    turns = Rotation.from_euler("z", np.radians(turn_deg) * np.arange(12)[:, None] / 12)
    poses = estimate(
        [replace(still, rotation=still.rotation @ t) for t in turns.as_matrix()], motion="spin"
    )
    anticlockwise = turn_deg > 0  # about +Z, which points towards the camera
    assert goes_clockwise(poses, way_of(poses)) != anticlockwise


def test_the_thumbnail_is_the_view_at_a_slant() -> None:
    views = np.zeros((240, 720, 3), np.uint8)
    views[:, 240:480] = (0, 0, 200)
    pictures = images_of(views, ReportConfig())
    thumbnail = decoded(pictures["thumbnail"])
    assert thumbnail.shape == (112, 112, 3)
    np.testing.assert_allclose(thumbnail.mean(axis=(0, 1)), (0, 0, 200), atol=3)
    assert decoded(pictures["picture"]).shape == (240, 720, 3)


def test_only_so_many_are_pictured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.tasks.report.scene.ReportConfig", lambda: ReportConfig(max_thumbnails=2)
    )
    pictured = [f["index"] for f in content_of(tmp_path)["frames"] if f["picture"]]
    assert len(pictured) == len(CHOSEN) + 2
    assert set(CHOSEN) < set(pictured)


def test_parts_laid_flat_are_shown_with_what_frames_saw_of_them() -> None:
    colours = np.zeros((30, 400, 3), np.uint8)
    colours[:, :200] = (200, 30, 30)  # RGB: the left half is red
    provenance = np.full((30, 400), int(Provenance.SYMMETRY), np.uint8)
    provenance[:, :100] = int(Provenance.MEASURED)
    part = FlatPart("inner-sidewall", colours, provenance, False, np.zeros((30, 2)))
    (told,) = flattened_of([part], ReportConfig(flattened_px=200))
    assert told["title"] == "Inner sidewall"
    assert "anticlockwise as the outer face is seen; 25\N{NO-BREAK SPACE}% seen" in told["caption"]
    assert told["caption"].endswith("hatched: by none")
    image = decoded(told["picture"])
    assert image.shape == (15, 200, 3)
    np.testing.assert_allclose(image[:, :42].mean(axis=(0, 1)), (30, 30, 200), atol=6)
    guessed = image[:, 110:].max(axis=2)  # a sixth of it are lines, the rest is as black as it was
    assert 0.1 < float((guessed > 120).mean()) < 0.25
    assert float(np.median(guessed)) < 40
    whole = replace(part, provenance=np.full((30, 400), int(Provenance.MEASURED), np.uint8))
    (told,) = flattened_of([whole], ReportConfig(flattened_px=200))
    assert "hatched" not in told["caption"]
    assert decoded(told["picture"])[:, 110:].max() < 12
    assert flattened_of([], ReportConfig()) == []
