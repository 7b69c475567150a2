"""Everything for real, over HTTP: server, workers of both pools, S3, API, a killed worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from deployments.api.callbacks import DELIVERY, SIGNATURE
from flows.cli.commands import REFUSED
from flows.support.events import UPLOADED
from tests.deployments.api.backend import SECRET as BACKEND_SECRET
from tests.deployments.api.backend import Backend, documented_check
from tests.deployments.jobs import asked
from tests.deployments.stack import (
    PATIENCE_S,
    ROOT,
    TOKEN,
    Stack,
    free_port,
    is_whole,
    parent_of,
    process_of,
    until,
)
from tests.support.s3 import KEY, REGION, SECRET, S3Server, filesystem, s3_server

pytestmark = pytest.mark.services
SAMPLE = ROOT / "tests" / "data" / "sample_tyre.mp4"
CLIENT = ROOT / "deployments" / "api" / "client"
FAST = ["--preset", "fast"]
"""As the client's example asks: what the batch made is found by the later jobs."""


def _shrink(target: Path, width: int, every: int = 3) -> None:
    """The sample video, smaller: another tyre, as far as digests go."""
    source = cv2.VideoCapture(str(SAMPLE))
    size = (width, width * 3 // 4)
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, size)
    assert source.isOpened()
    assert writer.isOpened()
    number = 0
    while (read := source.read())[0]:
        if number % every == 0:
            writer.write(cv2.resize(read[1], size, interpolation=cv2.INTER_AREA))
        number += 1
    writer.release()
    source.release()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server("tyres") as server:
        yield server


@pytest.fixture(scope="module")
def shop() -> int:
    """The port of a backend that is told of the end of its job; nobody listens there as yet."""
    return free_port()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, s3: S3Server, shop: int) -> Iterator[Stack]:
    storage = {
        "TYRE3D_STORAGE": "s3://tyres/artifacts",
        "TYRE3D_S3_ENDPOINT_URL": s3.endpoint,
        "TYRE3D_S3_ACCESS_KEY": KEY,
        "TYRE3D_S3_SECRET_KEY": SECRET,
        "TYRE3D_S3_REGION": REGION,
        "TYRE3D_INFER_DEPLOYMENT": "infer/infer",
    }
    telling = {
        "TYRE3D_API_CALLBACK_HOSTS": f'["127.0.0.1:{shop}"]',
        "TYRE3D_API_CALLBACK_SECRET": BACKEND_SECRET,
        "TYRE3D_API_CALLBACK_PRIVATE": "true",
        "TYRE3D_API_CALLBACK_EVERY_S": "1",
    }
    stack = Stack(tmp_path_factory.mktemp("stack"), **storage, **telling)
    try:
        stack.start_server()
        stack.deploy()
        for name, pool in {"cpu-1": "cpu", "cpu-2": "cpu", "gpu-1": "gpu"}.items():
            stack.start_worker(name, pool)
        stack.start_api()
        yield stack
    finally:
        stack.stop_all()


def posted(stack: Stack, path: str, body: Any, key: str) -> str:
    """The id of a job that the service takes."""
    answer = asked(stack, "POST", path, json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def ended(stack: Stack, path: str) -> Any:
    """The last thing that the service says of a job."""

    def last() -> Any:
        told = asked(stack, "GET", path).json()
        return told if told["status"] in ("completed", "failed") else None

    return until("the job's end", last)


def test_a_batch_from_bucket_to_bucket_outlives_a_killed_worker(stack: Stack, s3: S3Server) -> None:
    files, videos = filesystem(s3.endpoint), stack.folder / "in"
    _shrink(videos / "first.mp4", 320)
    _shrink(videos / "second.mp4", 336)
    content = (videos / "first.mp4").read_bytes()
    for name in ("first", "second"):
        files.put_file(str(videos / f"{name}.mp4"), f"tyres/incoming/{name}.mp4")
    files.pipe_file("tyres/incoming/noise.mp4", os.urandom(5000))
    files.pipe_file("tyres/incoming/cut.mp4", content[: len(content) // 4])
    stack.start_batch("batch", "s3://tyres/incoming", "s3://tyres/meshes", *FAST)

    def computing() -> dict[str, Any] | None:
        assert stack.alive("batch")
        return stack.running("reconstruct-first", "reconstruct-second")

    run = until("a run to disturb", computing)
    worker = parent_of(process_of(run))
    name = stack.name_of(worker)
    os.kill(worker, signal.SIGKILL)
    stack.processes.pop(name).wait()
    stack.start_worker(f"{name}-again", "cpu")

    assert stack.end("batch") == 1, stack.log("batch")
    told = json.loads(files.cat_file("tyres/meshes/batch.json"))
    entries = {e["name"]: e for e in told["tyres"]}
    assert told["counts"] == {"completed": 2, "failed": 2, "pending": 0}
    assert entries["noise"]["error"]["stage"] == entries["cut"]["error"]["stage"] == "extract"
    assert entries["noise"]["attempts"] == entries["cut"]["attempts"] == 1
    for good in ("first", "second"):
        assert entries[good]["glb"] == f"s3://tyres/meshes/{good}.glb"
        assert is_whole(files.cat_file(entries[good]["glb"]))
    found = sorted(f.rpartition("/")[2] for f in files.find("tyres/meshes"))
    ends = ("glb", "html", "json", "medium.glb", "preview.glb")
    files_of = [f"{good}.{end}" for good in ("first", "second") for end in ends]
    assert found == ["batch.html", "batch.json", *files_of]
    disturbed = run["name"].removeprefix("reconstruct-")
    assert entries[disturbed]["attempts"] == 2
    infers = stack.runs(name={"any_": ["infer-first", "infer-second"]})
    assert {r["name"] for r in infers} == {"infer-first", "infer-second"}
    ends = {r["state_type"] for r in stack.runs() if not r["auto_scheduled"]}
    assert ends <= {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    assert not any(secret in json.dumps(stack.runs()) for secret in (SECRET, TOKEN))


def test_a_second_run_of_the_batch_makes_nothing_anew(stack: Stack, s3: S3Server) -> None:
    filesystem(s3.endpoint).rm(["tyres/incoming/noise.mp4", "tyres/incoming/cut.mp4"])
    before = len(stack.runs())
    stack.start_batch("again", "s3://tyres/incoming", "s3://tyres/meshes", *FAST)
    code = stack.end("again")
    assert code in (0, REFUSED), stack.log("again")  # such small films may fail it
    assert stack.log("again").count("found finished") == 2
    assert len(stack.runs()) == before + 1


def test_an_upload_that_is_announced_starts_the_batch_of_what_came_in(stack: Stack) -> None:
    """The trigger of prefect.yaml, switched on; a run is made, which no worker here takes."""
    (automation,) = [
        a
        for a in stack.request("POST", "automations/filter", json={}).json()
        if UPLOADED in a["trigger"].get("expect", [])
    ]
    path = f"automations/{automation['id']}"
    assert stack.request("PATCH", path, json={"enabled": True}).status_code == 204
    stack.start("announce", "flows.cli", "announce", "s3://tyres/incoming/first.mp4")
    assert stack.end("announce") == 0, stack.log("announce")
    made = stack.request("GET", "deployments/name/batch/incoming").json()["id"]

    def triggered() -> list[dict[str, Any]]:
        body = {"deployments": {"id": {"any_": [made]}}}
        return list(stack.request("POST", "flow_runs/filter", json=body).json())

    (run,) = until("the run", triggered)
    assert run["parameters"]["request"]["deployment"] == "reconstruct/reconstruct"
    assert stack.request("DELETE", f"flow_runs/{run['id']}").status_code == 204


def test_a_job_over_the_api_survives_its_restart_and_its_end_is_told(
    stack: Stack, shop: int
) -> None:
    video = stack.folder / "in" / "single.mp4"
    _shrink(video, 320)  # as the batch's first: what it made is found
    body = {
        "video": str(video),
        "output_glb_path": str(stack.folder / "out" / "single.glb"),
        "preset": "fast",
        "reference": "17",
        "callback_url": f"http://127.0.0.1:{shop}/told",
    }
    job = posted(stack, "/reconstruct", body, "order-1")
    stack.stop("api")
    stack.start_api()
    assert posted(stack, "/reconstruct", body, "order-1") == job

    end = ended(stack, f"/reconstruct/status/{job}")
    assert end["status"] == "completed", end
    assert end["metadata"]["num_vertices"] > 100
    assert {s["state"] for s in end["metadata"]["stages"]} <= {"Completed", "Cached"}
    assert is_whole((stack.folder / "out" / "single.glb").read_bytes())
    levels = {"mesh.glb", "medium.glb", "preview.glb"}
    assert {*levels, "metadata.json", "report.html"} == set(end["files"])
    for name in end["files"]:
        ending = name.replace("mesh", "").replace("metadata", "").replace("report", "")
        written = stack.folder / "out" / f"single.{ending.removeprefix('.')}"
        answer = asked(stack, "GET", f"/reconstruct/{job}/{name}")
        assert (answer.status_code, answer.content) == (200, written.read_bytes()), name
    _is_told(stack, shop, job)


def _is_told(stack: Stack, shop: int, job: str) -> None:
    """The end of a job to a backend that is away, then out of order, then well."""
    path = f"/reconstruct/status/{job}"
    until("a refused connection", lambda: "could not be told (ConnectError)" in stack.log("api"))
    assert asked(stack, "GET", path).json()["callback"] == "pending"
    backend = Backend(shop)
    backend.answers = [503]
    try:
        until("the end to be told", lambda: len(backend.got) == 2)
        until("the note of it", lambda: asked(stack, "GET", path).json()["callback"] == "delivered")
        stack.stop("api")
        stack.start_api()
        time.sleep(5.0)  # several looks
    finally:
        backend.stop()
    assert len(backend.got) == 2, "what was heard is told again"
    is_genuine = documented_check()
    for where, headers, content in backend.got:
        assert (where, headers[DELIVERY]) == ("/told", job)
        assert is_genuine(content, headers[SIGNATURE], BACKEND_SECRET)
        assert not is_genuine(content, headers[SIGNATURE], BACKEND_SECRET + "x")
        told = json.loads(content)
        assert (told["event"], told["job"]["reference"]) == ("job.completed", "17")
    assert BACKEND_SECRET not in stack.log("api")


def test_a_comparison_over_the_api(stack: Stack) -> None:
    """Of a result with itself: made by a worker from its artifacts, nothing is reconstructed."""
    out = stack.folder / "out"
    glb = str(out / "single.glb")
    body = {"new": glb, "damaged": glb, "output_dir": str(out), "name": "single-single"}
    job = posted(stack, "/compare", body, "order-2")

    end = ended(stack, f"/compare/status/{job}")
    assert end["status"] == "completed", end
    assert end["verdict"] in ("not detectable", "cannot compare")  # such a small film may say less
    assert end["metadata"]["new"]["sha256"] == end["metadata"]["damaged"]["sha256"]
    files = {"change.glb", "placed.glb", "cells.csv", "metadata.json", "report.html"}
    assert set(end["files"]) == files
    changed = asked(stack, "GET", f"/compare/{job}/change.glb")
    assert is_whole(changed.content)


def test_a_cancelled_job_ends(stack: Stack) -> None:
    video = stack.folder / "in" / "cancelled.mp4"
    _shrink(video, 352)
    output = str(stack.folder / "out" / "cancelled.glb")
    body = {"video": str(video), "output_glb_path": output}
    job = posted(stack, "/reconstruct", body, "order-3")

    path = f"/reconstruct/status/{job}"
    until("the job to begin", lambda: asked(stack, "GET", path).json()["status"] == "processing")
    assert asked(stack, "DELETE", f"/reconstruct/{job}").status_code == 202
    end = ended(stack, path)
    assert (end["status"], end["error"]["code"]) == ("failed", "cancelled")
    assert not Path(output).exists()


def test_the_typescript_client_follows_a_job(stack: Stack) -> None:
    tsc = ROOT / "node_modules" / ".bin" / "tsc"
    if shutil.which("node") is None or not tsc.is_file():
        pytest.skip("needs node and what `npm ci` installs")
    subprocess.run([tsc, "-p", CLIENT, "--outDir", stack.folder / "client"], check=True)
    (stack.folder / "client" / "package.json").write_text('{"type": "module"}')
    bad = stack.folder / "in" / "bad.mp4"
    bad.write_bytes(os.urandom(4000))

    def follow(video: Path) -> tuple[int, list[dict[str, Any]], str]:
        output = stack.folder / "out" / f"{video.stem}-typescript.glb"
        done = subprocess.run(
            ["node", stack.folder / "client" / "example.js", stack.api, video, output],
            env={**os.environ, "TYRE3D_API_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.returncode, [json.loads(x) for x in done.stdout.splitlines()], done.stderr

    code, told, error = follow(stack.folder / "in" / "single.mp4")
    assert code == 0, error
    assert told[-1]["status"] == "completed"
    assert told[-1]["metadata"]["num_faces"] > 100
    shares = [t["progress"] for t in told]
    assert shares == sorted(shares)
    code, told, error = follow(bad)
    assert code == 1, error
    assert told[-1]["error"]["stage"] == "extract"
    code, told, error = follow(Path("/etc/passwd"))
    assert (code, told) == (1, [])
    assert "path-refused" in error
