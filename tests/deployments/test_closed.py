"""The way into service of docs/operations.md: closed by default, and stopped without a loss."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.support.own_server import PASSWORD_FILE
from tests.conftest import write_cut_outs
from tests.deployments.stack import TOKEN, Stack, until

pytestmark = pytest.mark.services
EVIL = "https://evil.example"
OPEN = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER", "PREFECT_API_URL")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Server, deployments, worker and service as `make` starts them: no password in any setting."""
    stack = Stack(tmp_path_factory.mktemp("closed"))
    port = stack.prefect.removesuffix("/api").rpartition(":")[2]
    stack.env = {k: v for k, v in stack.env.items() if not k.startswith(OPEN)}
    stack.env["PREFECT_API_URL"] = stack.prefect
    try:
        stack.start("ui", "flows.cli", "ui", "--port", port)
        until("Prefect's server", lambda: stack.alive("ui") and _ready(stack))
        stack.password = (stack.folder / "prefect" / PASSWORD_FILE).read_text().strip()
        stack.deploy()
        stack.start("cpu", "flows.cli", "worker", "cpu")
        stack.start_api()
        yield stack
    finally:
        stack.stop_all()


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=stack.api, headers=headers, timeout=120) as client:
        yield client


def _ready(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.prefect}/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_makes_no_pool_that_would_be_open(stack: Stack) -> None:
    """Prefect's own worker makes one in which a run may bring its command."""
    worker = stack.start("cpuu", "flows.cli", "worker", "cpuu")
    assert worker.wait(600) == 2
    assert "[unknown-pool] start: there is no pool cpuu" in stack.log("cpuu")
    pools = stack.request("POST", "work_pools/filter", json={}).json()
    assert {pool["name"] for pool in pools} == {"batch", "cpu", "gpu"}


def test_the_password_is_generated_and_only_for_this_user(stack: Stack) -> None:
    path = stack.folder / "prefect" / PASSWORD_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(stack.password) > 32
    assert stack.password not in stack.log("ui") + stack.log("deploy") + stack.log("cpu")


def test_who_has_no_password_is_refused(stack: Stack) -> None:
    for path in (
        "admin/version",
        "deployments/name/reconstruct/reconstruct",
        "csrf-token?client=x",
    ):
        for credentials in (None, ("tyre3d", "guess")):
            assert httpx.get(f"{stack.prefect}/{path}", auth=credentials).status_code == 401
    for path in ("deployments/filter", "flow_runs/filter"):
        assert httpx.post(f"{stack.prefect}/{path}", json={}).status_code in (401, 403)


def test_pages_of_other_origins_are_not_let_in(stack: Stack) -> None:
    asked = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = httpx.options(f"{stack.prefect}/flow_runs/filter", headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    # a page cannot send the password, which browsers do not keep for it; see own_server.py
    forged = httpx.post(f"{stack.prefect}/flow_runs/filter", json={}, headers={"Origin": EVIL})
    assert forged.status_code == 401
    assert "access-control-allow-origin" not in forged.headers


def test_a_run_with_a_command_of_its_own_is_refused(stack: Stack) -> None:
    made = stack.request("GET", "deployments/name/reconstruct/reconstruct").json()["id"]
    marker = stack.folder / "pwned"
    for override in ({"command": f"touch {marker}"}, {"env": {"PYTHONPATH": "/tmp"}}):
        body = {"job_variables": override, "parameters": {}}
        answer = stack.request("POST", f"deployments/{made}/create_flow_run", json=body)
        assert answer.status_code in (409, 422), answer.text
    assert not marker.exists()


def _job(stack: Stack, api: httpx.Client, name: str, mark: int) -> tuple[str, Path]:
    write_cut_outs(stack.folder / "in" / name, range(6), mark=mark)
    glb = stack.folder / "out" / f"{name}.glb"
    body = {
        "preprocessing_output_dir": str(stack.folder / "in" / name),
        "output_glb_path": str(glb),
        "num_frames": 2,
        "mc_resolution": 32,
        "device": "cpu",
        "motion": "orbit",
    }
    answer = api.post("/reconstruct", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"], glb


def test_a_worker_that_is_stopped_finishes_what_it_has_begun(
    stack: Stack, api: httpx.Client
) -> None:
    """Also after it cancelled a run, for which Prefect imports the flow into the worker."""
    cancelled, _ = _job(stack, api, "cancelled", 1)

    def status(job: str) -> Any:
        return api.get(f"/reconstruct/status/{job}").json()["status"]

    until("the first job to begin", lambda: status(cancelled) == "processing")
    assert api.delete(f"/reconstruct/{cancelled}").status_code == 202
    until("the first job to end", lambda: status(cancelled) == "failed")
    job, glb = _job(stack, api, "kept", 2)
    until("the second job to begin", lambda: status(job) == "processing")
    waiting, _ = _job(stack, api, "waiting", 3)
    worker = stack.processes.pop("cpu")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(600) == 0, stack.log("cpu")
    assert "draining" in stack.log("cpu")
    assert "stack trace" not in stack.log("cpu")
    until("the second job to be completed", lambda: status(job) == "completed")
    assert glb.is_file()
    assert status(waiting) == "queued"
    told = {"logs": {"flow_run_id": {"any_": [job]}}, "limit": 200}
    lines = [line["message"] for line in stack.request("POST", "logs/filter", json=told).json()]
    assert any(line.startswith("merge: Completed, ") for line in lines), "a run logs its stages"

    drained = stack.start("drain", "flows.cli", "drain", "cpu", "--within-s", "60")
    assert drained.wait(600) == 0, stack.log("drain")
    assert "nothing runs" in stack.log("drain")
    stack.start("cpu", "flows.cli", "worker", "cpu")
    assert stack.start("resume", "flows.cli", "drain", "cpu", "--resume").wait(600) == 0
    until("the third job to be completed", lambda: status(waiting) == "completed")
