"""The flow of a comparison: films or results in, files out, nothing made twice.

Poses and merge are stood in for as in the tests of the reconstruction; what is compared has tests
of its own.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import tasks.fusion.merge
import tasks.poses.isolated_estimate
from configs.request import CompareRequest
from configs.settings import Settings
from flows.cli.compare_command import report_lines
from flows.compare import check_comparison_writable, compare
from flows.support.comparison_summary import comparison_summary
from tasks.core.errors import InputError
from tasks.mesh.glb import document_of
from tasks.storage.results import Results
from tests.flows.test_reconstruct import fake_merge, fake_poses, run
from tests.support.gltf import assert_valid

pytestmark = pytest.mark.usefixtures("prefect_server")
FILES = ("json", "html", "csv", "change.glb", "placed.glb")


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tasks.poses.isolated_estimate, "estimate_poses", fake_poses)
    monkeypatch.setattr(tasks.fusion.merge, "merge_fields", fake_merge)


def _request(new: Path, damaged: Path, out: Path, model: Path, **others: Any) -> CompareRequest:
    fields = {"new": new, "damaged": damaged, "out_dir": out, "model": str(model)}
    return CompareRequest.model_validate({**fields, "mc_resolution": 64, "num_frames": 4, **others})


def test_films_are_reconstructed_and_compared(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    record = compare(_request(cut_out_folder, cut_out_folder, out, tiny_model, name="a b"))
    assert record == json.loads((out / "a b.json").read_text())
    for suffix in FILES:
        assert (out / f"a b.{suffix}").stat().st_size > 0
    for glb in ("a b.change.glb", "a b.placed.glb", "a b.new.glb", "a b.damaged.glb"):
        assert_valid(out / glb)
    assert record["new"]["sha256"] == record["damaged"]["sha256"]
    digests = {
        f"a b.{suffix}": hashlib.sha256((out / f"a b.{suffix}").read_bytes()).hexdigest()
        for suffix in FILES
        if suffix != "json"
    }
    assert record["files"] == digests
    monkeypatch.setattr(
        "flows.support.comparison_summary.address_of", lambda place, _: f"http://x/{place.name}"
    )
    page = comparison_summary("a b", record, Results(out, Settings()), Settings())
    assert f"**Verdict: {record['verdict']}**" in page
    assert page.count("shoulder") == 2
    assert ("Nothing was found" in page) == (record["verdict"] == "not detectable")
    assert "| damaged |" in page
    assert "[report](http://x/a b.html) · [GLB](http://x/a b.change.glb)" in page
    assert "size-assumed" in {r["code"] for r in record["reasons"]}
    lines = report_lines(record, out / "a b.html")
    assert lines.endswith(f"verdict   {record['verdict']}\n")


def test_a_change_of_nothing_has_no_sign() -> None:
    zone = {"name": "centre", "mean_change_mm": -0.004, "lod95_mm": 0.5, "significant": False}
    record: dict[str, Any] = {"zones": [zone | {"coverage": 1.0}], "findings": [], "reasons": []}
    record["verdict"] = "x"
    lines = report_lines(record, "x.html")
    assert "centre            0.00 mm      0.50 mm" in lines
    side = {"name": "a", "diameter_mm": 1.0, "verdict": "x"}
    record |= {"new": side, "damaged": side}
    page = comparison_summary("a", record, Results("out", Settings()), Settings())
    assert "| centre | 0.00 | 0.50 |" in page


def test_a_bulge_is_told_as_such_in_a_terminal() -> None:
    bulge = {"kind": "bulge", "part": "tread", "angle_deg": 90.0, "length_mm": 40.0}
    bulge |= {"width_mm": 30.0, "depth_mm": -3.04, "certainty": 0.9}
    told: dict[str, Any] = {"zones": [], "reasons": [], "verdict": "changed", "findings": [bulge]}
    assert "bulge, tread, 90°, 40 x 30 mm, 3.0 mm outwards (90%)" in report_lines(told, "x.html")


def test_results_are_compared_as_they_are(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    made = run(cut_out_folder, tmp_path, tiny_model)
    glb = Path(made["output_path"])
    out = tmp_path / "out2"
    request = _request(glb, glb, out, tiny_model)
    first = compare(request)
    assert sorted(p.name for p in out.iterdir()) == sorted(f"comparison.{s}" for s in FILES)
    again = compare(request)
    for record in (first, again):  # the page tells when it was made
        for name in ("seconds", "made_at", "run_id"):
            del record[name]
        del record["files"]["comparison.html"]
    assert again == first

    codes = {r["code"] for r in first["reasons"]}
    assert "same-film" in codes

    # a diameter that was asked for in vain is told
    other = compare(_request(glb, glb, out, tiny_model, diameter_mm=650))
    assert other["reasons"][0]["code"] == "diameter-unused"
    assert "650 mm was asked for" in other["reasons"][0]["text"]
    assert "size-assumed" not in {r["code"] for r in other["reasons"]}, "the same, in other words"

    # what may not be used is not compared, whatever its outlines say
    failed = tmp_path / "failed.glb"
    failed.write_bytes(glb.read_bytes())
    metadata = json.loads(glb.with_suffix(".json").read_text())
    failed.with_suffix(".json").write_text(json.dumps(metadata | {"verdict": "fail"}))
    record = compare(_request(glb, failed, tmp_path / "out4", tiny_model))
    assert record["verdict"] == "cannot compare"
    assert "damaged-fail" in {r["code"] for r in record["reasons"]}
    extras = document_of((tmp_path / "out4/comparison.change.glb").read_bytes())["asset"]["extras"]
    assert extras["comparison"]["verdict"] == "cannot compare"

    # two diameters of one tyre are told, before all else
    assert "diameters-differ" not in {r["code"] for r in first["reasons"]}
    smaller = tmp_path / "smaller.glb"
    smaller.write_bytes(glb.read_bytes())
    metadata = json.loads(glb.with_suffix(".json").read_text())
    metadata["scale"]["nominal_diameter_mm"] = 680.0
    smaller.with_suffix(".json").write_text(json.dumps(metadata))
    told_first, *_ = compare(_request(smaller, glb, tmp_path / "out3", tiny_model))["reasons"]
    assert told_first["code"] == "diameters-differ"
    assert "diameter of 680 mm, the damaged one's with 720 mm" in told_first["text"]


def test_a_result_whose_artifacts_are_gone_is_refused(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(cut_out_folder, tmp_path, tiny_model)
    glb = Path(made["output_path"])
    (merged,) = (s["uri"] for s in made["stages"] if s["stage"] == "merge")
    mesh = next(Path(merged).parent.rglob("mesh.npz"))
    content = mesh.read_bytes()
    mesh.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"artifacts-missing.*\(merge\)"):
        compare(_request(glb, glb, tmp_path / "out3", tiny_model))
    mesh.write_bytes(content)
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "another"))
    with pytest.raises(InputError, match="artifacts-missing"):
        compare(_request(glb, glb, tmp_path / "out3", tiny_model))
    glb.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="result-incomplete"):
        compare(_request(glb, glb, tmp_path / "out3", tiny_model))


def test_a_result_is_looked_at_before_the_film_beside_it_is_reconstructed(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="result-missing"):
        compare(_request(cut_out_folder, tmp_path / "none.glb", out, tiny_model))
    assert not list(out.glob("*.glb"))


def test_a_result_of_which_an_artifact_is_damaged_is_refused_for_good(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    glb = Path(run(cut_out_folder, tmp_path, tiny_model)["output_path"])
    merged = tmp_path / "home/artifacts/cas/merge"
    next(merged.rglob("mesh.npz")).unlink()
    with pytest.raises(InputError, match="artifacts-missing"):
        compare(_request(glb, glb, tmp_path / "out3", tiny_model))


def test_nothing_of_others_is_replaced(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "comparison.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="output-foreign"):
        compare(_request(cut_out_folder, cut_out_folder, tmp_path, tiny_model))
    assert (tmp_path / "comparison.json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("theirs", ["a.change.json", "a.placed.glb"])
def test_the_mesh_of_a_tyre_that_is_called_so_is_not_replaced(tmp_path: Path, theirs: str) -> None:
    """The film a.change.mp4 has its mesh in a.change.glb, where a comparison called a has its."""
    (tmp_path / theirs).write_bytes(b"{}")
    with pytest.raises(InputError, match="output-foreign"):
        check_comparison_writable(Results(tmp_path, Settings()), "a")


@pytest.mark.parametrize(
    ("theirs", "record", "refused"),
    [
        ('{"input": {"name": "a.new.mp4"}}', None, True),
        ('{"input": {"name": "film.mp4"}}', None, False),
        ('{"input": {"name": "a.new.mp4"}}', '{"alignment": {}}', False),
        ('{"input": []}', None, True),
    ],
)
def test_a_comparison_replaces_no_tyre_of_another_film(
    tmp_path: Path, theirs: str, record: str | None, refused: bool
) -> None:
    """The film a.new.mp4 has its mesh in a.new.glb, where a comparison called a makes another."""
    (tmp_path / "a.new.json").write_text(theirs)
    if record is not None:
        (tmp_path / "a.json").write_text(record)
    films = {"new": tmp_path / "film.mp4"}
    expected = pytest.raises(InputError, match="output-foreign") if refused else nullcontext()
    with expected:
        check_comparison_writable(Results(tmp_path, Settings()), "a", films)
