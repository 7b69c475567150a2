"""``tyre3d batch`` prints what its run wrote, not what it finds afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import State, flow
from prefect.states import Completed

from configs.request import BatchRequest
from configs.settings import Settings
from flows.cli.main import main
from flows.support.batch_page import write_page
from tasks.batch.manifest import Entry, Manifest
from tasks.storage.results import Results

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def _surroundings(own_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("start", "wait", "stop"):
        monkeypatch.setattr(f"flows.cli.local_server.LocalServer.{name}", lambda _: None)


def _tyre3d_batch(tmp_path: Path) -> int:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/new.mp4").write_bytes(b"x")
    folders = [str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    return main(["batch", *folders, "--deployment", "reconstruct/reconstruct"])


def test_inputs_that_are_cleared_meanwhile_do_not_spoil_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow
    def run(request: BatchRequest) -> State[Any]:
        results = Results(request.out_dir, Settings())
        Manifest(results).put(Entry("earlier", "earlier.mp4", "completed"))
        Manifest(results).put(Entry("new", "new.mp4", "completed", glb="new.glb"))
        (tmp_path / "in/new.mp4").unlink()
        write_page("out", Manifest(results), results)
        return Completed(message="1 succeeded")

    monkeypatch.setattr("flows.batch.batch", run)
    assert _tyre3d_batch(tmp_path) == 0
    out = capsys.readouterr().out
    assert "new.glb" in out
    assert "earlier" not in out
    assert out.endswith(f"1 succeeded\npage: {tmp_path / 'out/batch.html'}\n")


def test_a_verdict_of_fail_has_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow
    def run(request: BatchRequest) -> State[Any]:
        results = Results(request.out_dir, Settings())
        judged = {"glb": "new.glb", "verdict": "fail", "reasons": ["not-a-tyre"]}
        judged["sentences"] = ["it is a pot"]
        Manifest(results).put(Entry("new", "new.mp4", "completed", **judged))  # type: ignore[arg-type]
        return Completed(message="1 succeeded")

    monkeypatch.setattr("flows.batch.batch", run)
    assert _tyre3d_batch(tmp_path) == 7
    out = capsys.readouterr().out
    assert "[not-a-tyre] it is a pot" in out
    assert "page:" not in out, "none was written"


def test_a_batch_that_made_no_manifest_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    with Results(tmp_path / "out", Settings()).lock("batch"):
        assert _tyre3d_batch(tmp_path) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "[batch-running]" in captured.err
