"""Whole comparisons of tyres whose change is known."""

from __future__ import annotations

import base64
import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import tasks.comparison.compare
from configs.comparison import CompareConfig
from tasks.comparison.align import Alignment
from tasks.comparison.compare import FOUND, Comparison, compare_scans, comparison_record
from tasks.comparison.deviation import BELOW, UNKNOWN, deviation_glb, placed_glb
from tasks.comparison.marks import VisualMark
from tasks.comparison.table import cells_csv
from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity
from tasks.mesh.glb import document_of
from tasks.mesh.glb_reader import read_glb
from tasks.report.comparison_content import comparison_content, rendering_of
from tasks.report.comparison_page import comparison_page
from tests.tasks.comparison.made import FloatArray, filmed, scan

_TREAD = (0.105, 0.315)
"""Arc lengths of the plain tyre's tread and of most of its shoulders."""


def _worn(angle: FloatArray, arc: FloatArray) -> FloatArray:
    """1.5 mm off the tread, and a flat spot of 3 mm at 60°."""
    tread = (arc > _TREAD[0]) & (arc < _TREAD[1])
    off = (angle - math.radians(60) + math.pi) % (2 * math.pi) - math.pi
    chord = np.minimum(0.317 / np.maximum(np.cos(off), 0.5) - 0.32, 0.0)
    spot = np.where(np.abs(off) < 0.5, chord, 0.0)
    return np.where(tread, np.minimum(-0.0015, spot - 0.0 * arc) + 0 * angle, 0.0 * angle)


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A tyre, and the same worn, turned and at another scale."""
    folder = tmp_path_factory.mktemp("films")
    sides = []
    for name, made in (("new", scan()), ("worn", scan(_worn, spin_deg=40.0, scale=1.004))):
        (folder / name).mkdir()
        sides.append(filmed(made, made, folder / name))
    # a tread without blocks, filmed small: finer than films of real treads allow
    return compare_scans(*sides, CompareConfig(min_spot_px=0.45))


def test_wear_all_round_is_told_by_zone(worn: Comparison) -> None:
    assert worn.verdict == "changed"
    assert worn.alignment.scale_ratio == pytest.approx(1.004, abs=5e-4)
    centre = worn.change.zones[2]
    assert centre.mean_change_mm == pytest.approx(-1.5, abs=0.3)
    assert centre.significant
    assert centre.lod95_mm < 1.2


def test_a_flat_spot_is_found_where_it_is(worn: Comparison) -> None:
    (spot,) = [f for f in worn.found if f.kind == "flat-spot"]
    assert spot.angle_deg == pytest.approx(60.0, abs=3.0)
    assert spot.depth_mm == pytest.approx(1.5, abs=0.5)  # below the worn tread
    assert 40 < spot.length_mm < 110
    assert spot.part == "tread"


def test_sidewalls_that_did_not_change_show_nothing(worn: Comparison) -> None:
    assert [f.kind for f in worn.found if f.radius_mm < 300] == []
    rows = worn.change.cells.shape[0]
    sidewall = worn.change.cells[: rows // 6]
    assert np.nanmax(np.abs(np.nanmedian(sidewall, axis=1))) < 0.0006


def test_where_no_outline_shows_a_height_less_can_be_told(worn: Comparison) -> None:
    lod, pixel = worn.change.cell_lod[:, 0], worn.change.pixel_m
    sidewall, tread = lod[len(lod) // 8], lod[len(lod) // 2]
    assert sidewall >= 1.96 * CompareConfig().sidewall_floor_px * pixel
    assert tread < 0.75 * sidewall


def test_one_tyre_filmed_twice_has_not_changed(tmp_path: Path) -> None:
    sides = []
    for name, made in (("a", scan()), ("b", scan(spin_deg=-75.0, scale=0.997))):
        (tmp_path / name).mkdir()
        sides.append(filmed(made, made, tmp_path / name))
    compared = compare_scans(*sides, CompareConfig())
    assert compared.verdict == "not detectable"
    assert compared.found == []
    assert compared.change.significant.mean() <= 0.05
    assert all(abs(z.mean_change_mm) < 0.4 for z in compared.change.zones)


@pytest.fixture
def _in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans that lie on each other as they are."""
    alignment = Alignment(Similarity(1.0, np.eye(3), np.zeros(3)), "sidewall-markings")
    monkeypatch.setattr(
        tasks.comparison.compare, "align_scans", lambda new, other, config: alignment
    )


@pytest.mark.usefixtures("_in_place")
def test_without_frames_nothing_can_be_compared() -> None:
    compared = compare_scans(scan(), scan(), CompareConfig())
    assert compared.verdict == "cannot compare"
    assert "tread-unseen" in {r["code"] for r in compared.reasons}
    json.dumps(comparison_record(compared), allow_nan=False)


def test_without_an_anchor_no_finite_change_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alignment = Alignment(Similarity(1.0, np.eye(3), np.zeros(3)), "diameter")
    monkeypatch.setattr(
        tasks.comparison.compare, "align_scans", lambda new, other, config: alignment
    )
    film = filmed(scan(), scan(), tmp_path, count=12)
    compared = compare_scans(film, film, CompareConfig())
    assert compared.verdict == "cannot compare"
    assert "no-anchor" in {r["code"] for r in compared.reasons}
    assert not any("inf" in r["text"].split() for r in compared.reasons)


@pytest.mark.usefixtures("_in_place")
def test_of_what_cannot_be_compared_no_change_is_told(tmp_path: Path) -> None:
    """As where a mesh may not be used: neither record, table, mesh nor page show one."""
    shrunk = scan(lambda angle, arc: -0.003 + 0 * angle * arc)
    sides = []
    for name, made in (("new", scan()), ("worn", shrunk)):
        (tmp_path / name).mkdir()
        sides.append(filmed(made, made, tmp_path / name, count=24))
    told = compare_scans(*sides, CompareConfig())
    assert told.change.significant.any()
    untold = compare_scans(*sides, CompareConfig(), usable=False)
    record = comparison_record(untold)
    assert (untold.verdict, record["findings"]) == ("cannot compare", [])
    assert [zone["lod95_mm"] for zone in record["zones"]] == [None] * 5
    assert not any(zone["significant"] for zone in record["zones"])
    assert record["cells"]["significant"] == 0.0
    rows = list(csv.DictReader(cells_csv(untold.change).splitlines()))
    assert {(row["lod95_mm"], row["significant"]) for row in rows} == {("", "0")}
    mesh = read_glb(deviation_glb(scan(), untold.change, record))
    for name in ("deviation", "lod", "significant"):
        assert not mesh.attributes[name].any()
    content = comparison_content(untold)
    colours = {colour for row in content["cells"]["colours"] for colour in row}
    assert colours <= {BELOW, UNKNOWN}
    side = {"name": "a.mp4", "sha256": "0" * 64, "verdict": "fail"}
    record |= {"new": side, "damaged": side, "code": "c", "tyre3d": "1", "made_at": "now"}
    page = comparison_page("pair", record, content, b"")
    assert ">not told<" in page
    assert "not seen<" not in page
    assert "No damage was found" not in page, "none was looked for"
    assert not re.search(
        r"told from \d|told from an|\binf\b|\bnan\b", page[: page.index("<script")]
    )


@pytest.mark.parametrize("certain", [True, False])
def test_at_an_angle_that_is_not_certain_nothing_looks_different(
    monkeypatch: pytest.MonkeyPatch, certain: bool
) -> None:
    """A word lies beside its like there, and blocks of the tread lie on grooves."""
    mark = VisualMark("tread", None, 320.0, 0.0, 2000.0, 8.0, -0.7, 1.0)
    alignment = Alignment(
        Similarity(1.0, np.eye(3), np.zeros(3)), "sidewall-markings", spin_certain=certain
    )
    monkeypatch.setattr(
        tasks.comparison.compare, "align_scans", lambda new, other, config: alignment
    )
    monkeypatch.setattr(tasks.comparison.compare, "visual_marks", lambda *a: [mark])
    told = [
        f for f in compare_scans(scan(), scan(), CompareConfig()).findings if f.certainty >= FOUND
    ]
    assert bool(told) is certain


@pytest.mark.usefixtures("_in_place")
def test_films_whose_cameras_are_inexact_are_refused(tmp_path: Path) -> None:
    film = filmed(scan(), scan(), tmp_path, count=12)
    rng = np.random.default_rng(2)
    turned = {k: _turned(camera, rng.normal(0.0, 0.4, 3)) for k, camera in film.cameras.items()}
    inexact = replace(film, cameras=turned)
    compared = compare_scans(inexact, inexact, CompareConfig())
    assert compared.verdict == "cannot compare"
    assert {"new-inexact", "damaged-inexact"} <= {r["code"] for r in compared.reasons}


def _turned(camera: Camera, degrees: FloatArray) -> Camera:
    """A camera that looks elsewhere from the same place."""
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return replace(camera, rotation=turn @ camera.rotation, translation=turn @ camera.translation)


@pytest.mark.usefixtures("_in_place")
def test_a_mesh_that_is_too_small_is_no_fault_of_the_cameras(tmp_path: Path) -> None:
    """As of a tyre with lugs, across whose gaps a mesh sags: outlines tell the change still."""
    small = scan(lambda angle, arc: -0.004 + 0 * angle * arc)
    film = filmed(small, scan(), tmp_path, count=12)
    compared = compare_scans(film, film, CompareConfig())
    assert compared.verdict == "not detectable"
    assert max(compared.change.misfit_m) < 0.0008


def test_the_record_is_plain_and_whole(worn: Comparison) -> None:
    record = json.loads(json.dumps(comparison_record(worn), allow_nan=False))
    assert [z["name"] for z in record["zones"]][2] == "centre"
    assert record["alignment"]["faces"] == "same"
    assert record["findings"][0]["kind"] == "flat-spot"
    assert record["conicity_mm_per_100_mm"] == pytest.approx(0.0, abs=0.4)


def test_the_change_lies_on_the_mesh(worn: Comparison) -> None:
    content = deviation_glb(scan(), worn.change, {"verdict": worn.verdict})
    mesh = read_glb(content)
    deviation = mesh.attributes["deviation"]
    middle = np.abs(mesh.vertices[:, 2]) < 0.03
    assert np.median(deviation[middle]) == pytest.approx(-0.0015, abs=3e-4)
    told = np.abs(deviation) > mesh.attributes["lod"]
    assert (mesh.attributes["significant"] == told).all()
    assert document_of(content)["asset"]["extras"]["comparison"]["verdict"] == "changed"


def test_a_placed_glb_lies_in_the_other_frame(worn: Comparison) -> None:
    place = Similarity(0.5, np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([1.0, 2, 3]))
    content = deviation_glb(scan(), worn.change, {})
    moved = read_glb(placed_glb(content, place)).vertices
    assert np.allclose(moved, place.apply(scan().vertices), atol=1e-5)


def test_the_change_is_shown_from_three_sides(worn: Comparison) -> None:
    told = rendering_of(read_glb(deviation_glb(scan(), worn.change, {})))
    kind, _, text = told.partition(",")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    assert kind == "data:image/jpeg;base64"
    assert image is not None
    assert image.shape[1] == 3 * image.shape[0]
    _, _, tread = np.hsplit(image.astype(int), 3)
    assert (tread[..., 2] - tread[..., 0]).max() > 40, "the flat spot has its colour"


def test_the_page_tells_all_and_loads_nothing(worn: Comparison) -> None:
    record = comparison_record(worn)
    side = {"name": "<b>.mp4", "sha256": "0" * 64, "verdict": "pass"}
    record |= {"new": side, "damaged": side, "code": "c", "tyre3d": "1", "made_at": "now"}
    content = json.loads(json.dumps(comparison_content(worn), allow_nan=False))
    page = comparison_page("a <tyre>", record, content, b"glTF")
    assert "a &lt;tyre&gt;" in page
    assert "<b>" not in page
    assert "flat spot" in page
    assert "<strong>centre</strong> −1." in page, "what the tread lost stands with the verdict"
    # the last colours are those of all that lies beyond, too
    assert len(re.findall(r"</span>[−+][\d.]+ mm and more<", page)) == 2
    assert "http://" not in page.replace("http://www.w3.org/", "")
    cut = dict(part="outer-sidewall", angle_deg=359.7, radius_mm=302.2, length_mm=41.0)
    cut |= dict(kind="cut", width_mm=4.0, depth_mm=None, certainty=0.4)
    record |= {"findings": [], "doubtful": [cut, cut]}
    page = comparison_page("a", record, content | {"findings": []}, b"glTF")
    assert "in any one place for certain" in page
    assert "2 doubtful: look there" in page
    told = page.replace("\N{NO-BREAK SPACE}", " ")
    assert told.count("<td>outer sidewall, 0°, radius 302 mm</td><td>41 × 4 mm</td>") == 2
    record |= {"verdict": "cannot compare"}
    assert "doubtful" not in comparison_page("a", record, content, b"glTF").partition("<script")[0]
