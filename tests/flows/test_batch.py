"""Batches: one bad tyre stops no other, and only what is missing is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Completed, Crashed, Failed

from configs.request import BatchRequest, MeshOptions, ReconstructRequest
from configs.settings import Settings
from flows import batch as module
from flows.cli.output import batch_table
from flows.support import deployment_runs
from tasks.batch.manifest import Entry, Manifest
from tasks.core.errors import InputError
from tasks.storage.inputs import local_input
from tasks.storage.results import Results, write_result
from tasks.video import container
from tests.conftest import write_video
from tests.support.s3 import KEY, REGION, SECRET, filesystem, s3_server

pytestmark = pytest.mark.usefixtures("prefect_server")
MADE: list[str] = []


def _write(request: ReconstructRequest) -> None:
    metadata = {"num_vertices": 3, "num_faces": 1, "warnings": []}
    with local_input(request.input, Settings()) as path:
        content = path.read_bytes()
    doubtful = content.startswith(b"doubt")
    metadata |= {"verdict": "fail" if doubtful else "pass"}
    metadata |= {"reasons": [{"code": "not-a-tyre", "message": "it is a pot"}] if doubtful else []}
    write_result(request.glb_path, b"glTF" + content, metadata, Settings())


@flow(name="reconstruct")
def fake(request: ReconstructRequest, tyre: str) -> None:
    """Stands for the pipeline: refuses what begins with "bad"."""
    MADE.append(tyre)
    with local_input(request.input, Settings()) as path:
        content = path.read_bytes()
    if content.startswith(b"bad"):
        raise InputError("video-noise", stage="extract", what="bad", advice="Film again")
    if content.startswith(b"bug"):
        raise KeyError("a fault of ours")
    _write(request)


@pytest.fixture(autouse=True)
def _pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "reconstruct", fake)
    monkeypatch.setattr(deployment_runs, "_POLL_S", 0.01)
    MADE.clear()
    return


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, content in {"a": "ok", "b": "bad", "c": "bug", "d": "", "e": "fine"}.items():
        (folder / f"{name}.mp4").write_text(content)
    return folder


def _entries(out: Path) -> dict[str, Any]:
    return {e["name"]: e for e in json.loads((out / "batch.json").read_text())["tyres"]}


def test_a_batch_goes_on_over_bad_tyres_and_takes_up_what_is_missing(
    videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    request = BatchRequest(inputs=(str(videos), str(tmp_path / "gone.mp4")), out_dir=out)
    state = module.batch(request, return_state=True)
    assert state.is_failed()
    assert state.message == "4 of 6 failed: b, c, d, gone"
    entries = _entries(out)
    assert MADE == ["a", "b", "c", "e"]
    assert {n: e["state"] for n, e in entries.items() if e["state"] == "completed"}.keys() == {
        "a",
        "e",
    }
    codes = {n: e["error"]["code"] for n, e in entries.items() if e["error"]}
    assert codes == {
        "b": "video-noise",
        "c": "internal",
        "d": "video-empty",
        "gone": "input-missing",
    }
    assert entries["a"]["figures"] == {"num_vertices": 3, "num_faces": 1}
    assert UUID(entries["a"]["flow_run_id"])

    MADE.clear()
    for name in ("b", "c", "d"):
        (videos / f"{name}.mp4").write_text(f"mended {name}")
    (out / "e.glb").write_bytes(b"damaged")
    state = module.batch(BatchRequest(inputs=(str(videos),), out_dir=out), return_state=True)
    assert state.is_completed()
    assert state.message == "all 5 succeeded"
    assert MADE == ["b", "c", "d", "e"]
    assert _entries(out)["a"]["found_finished"]

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["batch"]))
        )
    tables = [str(a.data) for a in found]
    assert any("found finished" in table for table in tables)
    assert any(f"[run](/runs/flow-run/{entries['a']['flow_run_id']})" in t for t in tables)
    assert any("is an empty file" in t for t in tables), "the sentence, not its code alone"


def test_names_in_a_message_break_no_line(tmp_path: Path) -> None:
    manifest = Manifest(Results(tmp_path, Settings()))
    for name in ("line\nbreak", "\u202eback"):
        manifest.entries[name] = Entry(name=name, input=name, state="failed")
    told = module.final_state(manifest).message
    assert told == "no tyre succeeded: line\\nbreak, \\u202eback"


def test_a_verdict_of_fail_is_told_though_all_have_a_result(tmp_path: Path) -> None:
    for name, content in {"a": "ok", "b": "doubtful"}.items():
        (tmp_path / f"{name}.mp4").write_text(content)
    out = tmp_path / "out"
    request = BatchRequest(inputs=(str(tmp_path),), out_dir=out)
    state = module.batch(request, return_state=True)
    assert state.is_completed()
    assert state.message == "all 2 succeeded; the verdict on 1 is fail: b"
    entries = _entries(out)
    assert [(e["verdict"], e["reasons"]) for e in entries.values()] == [
        ("pass", []),
        ("fail", ["not-a-tyre"]),
    ]
    refused = Entry(**entries["b"])
    assert module._row(refused, {})["why"] == r"\[not\-a\-tyre\] it is a pot"
    lines = batch_table([Entry(**e) for e in entries.values()], "end").splitlines()
    glb = lines[2].index(refused.glb)
    assert lines[3] == " " * glb + "[not-a-tyre] it is a pot", "below the result, not a code alone"


def test_films_of_one_name_from_two_folders_have_a_result_each(tmp_path: Path) -> None:
    """The second batch leaves the first one's result as it is, and both are found finished."""
    out = tmp_path / "out"
    for folder in ("monday", "tuesday"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_text(folder)
        request = BatchRequest(inputs=(str(tmp_path / folder),), out_dir=out)
        assert module.batch(request, return_state=True).is_completed()
    glbs = sorted(path.read_bytes() for path in out.glob("*.glb"))
    assert glbs == [b"glTFmonday", b"glTFtuesday"]
    MADE.clear()
    assert module.batch(request, return_state=True).is_completed()
    assert MADE == []


def test_a_batch_with_nothing_to_show_says_so(videos: Path, tmp_path: Path) -> None:
    request = BatchRequest(inputs=(str(videos / "d.mp4"),), out_dir=tmp_path / "out")
    state = module.batch(request, return_state=True)
    assert state.message == "no tyre succeeded: d"


def test_two_batches_do_not_write_to_one_folder(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with Results(out, Settings()).lock("batch"), pytest.raises(InputError, match="batch-running"):
        module.run_batch(BatchRequest(inputs=(str(videos),), out_dir=out), Settings(), "id")
    assert MADE == []


def test_a_batch_from_a_bucket_into_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server("tyres") as server:
        monkeypatch.setenv("TYRE3D_HOME", str(tmp_path))
        monkeypatch.setenv("TYRE3D_S3_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("TYRE3D_S3_ACCESS_KEY", KEY)
        monkeypatch.setenv("TYRE3D_S3_SECRET_KEY", SECRET)
        monkeypatch.setenv("TYRE3D_S3_REGION", REGION)
        files = filesystem(server.endpoint)
        for name, content in {"a": b"ok", "b": b"bad", "sub/c": b"", "d": b"fine"}.items():
            files.pipe_file(f"tyres/in/{name}.mp4", content)
        files.pipe_file("tyres/in/notes.txt", b"not a video")
        request = BatchRequest(inputs=("s3://tyres/in",), out_dir="s3://tyres/out/today")
        state = module.batch(request, return_state=True)
        assert state.message == "2 of 4 failed: b, c"
        entries = {
            e["name"]: e for e in json.loads(files.cat_file("tyres/out/today/batch.json"))["tyres"]
        }
        assert entries["a"]["glb"] == "s3://tyres/out/today/a.glb"
        assert entries["c"]["error"]["code"] == "video-empty"
        assert files.cat_file("tyres/out/today/a.glb") == b"glTFok"
        MADE.clear()
        files.pipe_file("tyres/in/b.mp4", b"mended")
        files.rm("tyres/in/sub/c.mp4")
        assert module.batch(request, return_state=True).is_completed()
        assert MADE == ["b"]


class Server:
    """Stands for the workers: each call of a deployment ends as its tyre's script says."""

    def __init__(self, script: dict[str, list[Any]]) -> None:
        self.script = script
        self.keys: list[str] = []
        self.due: list[datetime] = []
        self.running = self.most = 0

    async def __call__(self, name: str, **call: Any) -> FlowRun:
        self.keys.append(call["idempotency_key"])
        assert call["timeout"] == 0
        self.due.append(call["scheduled_time"])
        request = ReconstructRequest.model_validate(call["parameters"]["request"])
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.02)
        self.running -= 1
        end = self.script[request.stem].pop(0)
        if isinstance(end, Exception):
            raise end
        if end.is_completed():
            _write(request)
        return FlowRun(id=uuid4(), flow_id=uuid4(), state=end)


def test_a_deployment_is_run_again_only_where_that_can_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "Flow run encountered an exception: InputError: [video-noise] extract: bad. Film"
    server = Server(
        {
            "a": [Crashed(message="signal 9"), Completed()],
            "b": [Failed(message=refused)],
            "c": [httpx.ConnectError("server away"), Completed()],
            "d": [Crashed(), Crashed()],
        }
    )
    monkeypatch.setattr(module, "arun_deployment", server)
    monkeypatch.setattr(container, "probe", lambda *_: None)  # these films are words

    async def at_once(seconds: float) -> None:
        return None

    for name in server.script:
        (tmp_path / f"{name}.mp4").write_text(name)
    request = BatchRequest(
        inputs=(str(tmp_path),),
        out_dir=tmp_path / "out",
        deployment="reconstruct/reconstruct",
        concurrency=2,
        attempts=2,
    )
    monkeypatch.setattr(module, "pause", at_once)
    monkeypatch.setattr(deployment_runs, "pause", at_once)
    manifest = module.run_batch(request, Settings(), "batch-id")
    assert module.final_state(manifest).message == "2 of 4 failed: b, d"
    entries = _entries(tmp_path / "out")
    assert [entries[n]["attempts"] for n in "abcd"] == [2, 1, 1, 2]
    assert entries["b"]["error"]["code"] == "video-noise"
    assert entries["d"]["error"]["code"] == "crashed"
    assert sorted(server.keys) == [
        "batch-id:a:1",
        "batch-id:a:2",
        "batch-id:b:1",
        "batch-id:c:1",
        "batch-id:c:1",
        "batch-id:d:1",
        "batch-id:d:2",
    ]
    assert server.most == 2


def test_a_deployment_that_is_not_there_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "film.mp4", 2)
    request = BatchRequest(
        inputs=(str(tmp_path),), out_dir=tmp_path / "out", deployment="reconstruct/gone"
    )
    manifest = module.run_batch(request, Settings(), "batch-id")
    (why,) = manifest.entries["film"].why
    assert why.startswith(
        "[not-deployed] batch: Prefect's server has no deployment reconstruct/gone"
    )


def test_no_process_is_started_for_what_is_no_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server({"film": [Completed()]})
    monkeypatch.setattr(module, "arun_deployment", server)
    theirs = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(module, "time_of", lambda _: theirs)
    write_video(tmp_path / "film.mp4", 2)
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 12)
    (tmp_path / "words.mp4").write_text("no film")
    request = BatchRequest(
        inputs=(str(tmp_path),), out_dir=tmp_path / "out", deployment="reconstruct/reconstruct"
    )
    manifest = module.run_batch(request, Settings(), "batch-id")
    assert module.final_state(manifest).message == "2 of 3 failed: noise, words"
    assert server.keys == ["batch-id:film:1"]
    assert server.due == [theirs], "by the server's clock"
    entries = _entries(tmp_path / "out")
    for name in ("noise", "words"):
        error = entries[name]["error"]
        assert (error["code"], error["stage"]) == ("video-unreadable", "extract")


def test_films_are_looked_at_with_the_bounds_that_were_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server({"film": [Completed()]})
    monkeypatch.setattr(module, "arun_deployment", server)
    write_video(tmp_path / "film.mp4", 2)
    request = BatchRequest(
        inputs=(str(tmp_path),),
        out_dir=tmp_path / "out",
        deployment="reconstruct/reconstruct",
        options=MeshOptions(parameters={"extract": {"min_side_px": 4000}}),
    )
    module.run_batch(request, Settings(), "batch-id")
    assert server.keys == []
    error = _entries(tmp_path / "out")["film"]["error"]
    assert error["code"] == "frame-too-small"
    assert "at least 4000 pixels" in error["message"]


def test_the_server_starts_runs_by_the_clock() -> None:
    """Prefect's server does not with every release of the database's library that it allows."""

    async def planned() -> list[FlowRun]:
        async with get_client() as client:
            nightly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * *"))
            name = f"nightly-{uuid4().hex}"
            made = await client.create_deployment(
                await client.create_flow(fake), name, schedules=[nightly]
            )
            answer = await client.request(
                "POST", "/deployments/{id}/schedule", path_params={"id": made}, json={"min_runs": 3}
            )
            assert answer.status_code == 200
            wanted = DeploymentFilter(id=DeploymentFilterId(any_=[made]))
            found = await client.read_flow_runs(deployment_filter=wanted)
            await client.delete_deployment(made)
            return found

    runs = asyncio.run(planned())
    assert len(runs) >= 3
    assert {run.state_name for run in runs} == {"Scheduled"}
