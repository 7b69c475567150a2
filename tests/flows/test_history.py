"""The flow of many comparisons: every one accounted for, the first film made once.

Poses and merge are stood in for as in the tests of the reconstruction.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tasks.fusion.merge
import tasks.poses.isolated_estimate
from configs.request import HistoryRequest
from flows.cli.history_command import report_lines
from flows.history import _row, history
from tasks.comparison.over_time import Comparison
from tasks.core.errors import InputError
from tests.flows.test_reconstruct import fake_merge, fake_poses

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def films(tmp_path: Path, cut_out_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tasks.poses.isolated_estimate, "estimate_poses", fake_poses)
    monkeypatch.setattr(tasks.fusion.merge, "merge_fields", fake_merge)
    shutil.copytree(cut_out_folder, tmp_path / "frames")
    lines = [
        "tyre,film,label,operator",
        "fl,frames,new,",
        "fl,frames,1,one",
        "fl,missing.mp4,2,one",
        "fr,missing.mp4,new,",
        "fr,frames,<b>,two",
    ]
    path = tmp_path / "films.csv"
    path.write_text("\n".join(lines))
    return path


def _run(source: Path, out: Path, model: Path, **others: Any) -> tuple[Any, dict[str, Any]]:
    fields = {"source": source, "out_dir": out, "model": str(model), "mc_resolution": 64}
    request = HistoryRequest.model_validate({**fields, "num_frames": 4, **others})
    state = history(request, return_state=True)
    error = state.result(raise_on_failure=False)
    if isinstance(error, InputError):
        raise error
    return state, json.loads((out / "history.json").read_text())


def test_every_film_is_accounted_for(films: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out"
    state, record = _run(films, out, tiny_model)
    assert state.is_failed()
    assert state.message == "2 of 3 failed: fl.2, fr.<b>"
    good, *bad = record["comparisons"]
    assert (good["name"], good["state"], good["error"]) == ("fl.1", "completed", None)
    told_of = json.loads((out / "fl.1.json").read_text())
    assert good["verdict"] == told_of["verdict"]
    assert good["zones"] == told_of["zones"]
    assert [each["error"]["code"] for each in bad] == ["input-missing", "input-missing"]
    assert (out / "fl.new.glb").exists()
    assert not (out / "fl.1.new.glb").exists()  # the first film is made once
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert [row["zone"] for row in rows] == [zone["name"] for zone in told_of["zones"]]
    page = (out / "history.html").read_text()
    assert 'href="./fl.1.html"' in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    lines = report_lines(record, "end\n").splitlines()
    assert lines[lines.index("fl.2: failed") + 1].startswith("  [input-missing] ")
    assert "does not exist" in lines[lines.index("fl.2: failed") + 1]
    why = record["comparisons"][0]
    assert why["sentences"] == [reason["text"] for reason in told_of["reasons"]]
    rows = [_row(Comparison(**each)) for each in record["comparisons"]]
    assert all("does not exist" in row["why"] for row in rows[1:])
    assert record["gauge"] is None


def test_a_study_says_why_there_is_none(films: Path, tmp_path: Path, tiny_model: Path) -> None:
    _, record = _run(films, tmp_path / "out", tiny_model, tolerance_mm=1.0)
    assert record["gauge"]["code"] == "gauge-films"
    assert "No gauge study" in (tmp_path / "out" / "history.html").read_text()


def test_what_cannot_begin_is_refused(films: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "history.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="output-foreign"):
        _run(films, out, tiny_model)
    with pytest.raises(InputError, match="films-table"):
        _run(tmp_path / "none.csv", tmp_path / "out2", tiny_model)
