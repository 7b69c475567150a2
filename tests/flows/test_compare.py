"""The flow of a comparison: films or results in, files out, nothing made twice.

Poses and merge are stood in for as in the tests of the reconstruction; what is compared has tests
of its own.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import tasks.fusion.merge
import tasks.poses.apart
from configs.request import CompareRequest
from configs.settings import Settings
from flows.cli.compare_command import report_lines
from flows.compare import compare
from flows.support.comparison_summary import comparison_summary
from tasks.core.errors import InputError
from tasks.storage.results import Results
from tests.flows.test_reconstruct import fake_merge, fake_poses, run
from tests.support.gltf import assert_valid

pytestmark = pytest.mark.usefixtures("prefect_server")
FILES = ("json", "html", "csv", "change.glb", "placed.glb")


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tasks.poses.apart, "estimate_poses", fake_poses)
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
    assert "| damaged |" in page
    assert "[report](http://x/a b.html) · [GLB](http://x/a b.change.glb)" in page
    assert "size-assumed" in {r["code"] for r in record["reasons"]}
    lines = report_lines(record, out / "a b.html")
    assert lines.endswith(f"verdict   {record['verdict']}\n")


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
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "another"))
    glb = Path(made["output_path"])
    with pytest.raises(InputError, match="artifacts-missing"):
        compare(_request(glb, glb, tmp_path / "out3", tiny_model))


def test_a_result_of_which_an_artifact_is_damaged_is_refused_for_good(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    glb = Path(run(cut_out_folder, tmp_path, tiny_model)["output_path"])
    merged = tmp_path / "home/artifacts/cas/merge"
    next(p for p in merged.rglob("*") if p.is_file() and p.name != "manifest.json").unlink()
    with pytest.raises(InputError, match="artifacts-missing"):
        compare(_request(glb, glb, tmp_path / "out3", tiny_model))


def test_nothing_of_others_is_replaced(
    cut_out_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "comparison.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="output-foreign"):
        compare(_request(cut_out_folder, cut_out_folder, tmp_path, tiny_model))
    assert (tmp_path / "comparison.json").read_text() == '{"mine": 1}'
