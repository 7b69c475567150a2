"""Postgres and Redis behind two Prefect servers, their services apart, workers on either.

The settings are those of ``deployments/docker/compose.yaml``; without Postgres and Redis the test
is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL

import pytest

from tests.conftest import write_cut_outs
from tests.deployments.stack import (
    MADE,
    Stack,
    free_port,
    is_whole,
    parent_of,
    process_of,
    until,
)

pytestmark = pytest.mark.services
TYRES = 4


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, scaled: dict[str, str]) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("machines"), **scaled)
    try:
        stack.start_server("server-1", "--no-services")
        stack.start("services", "prefect", "server", "services", "start")
        stack.deploy("--silence-s", "70")
        yield stack
    finally:
        stack.stop_all()


def test_a_batch_over_two_servers_outlives_a_server_and_a_dead_machine(stack: Stack) -> None:
    other = f"http://127.0.0.1:{free_port()}/api"
    stack.start_server("server-2", "--no-services", url=other)
    stack.start_worker("machine-1", "cpu", PREFECT_API_URL=other)
    videos, out = stack.folder / "in", stack.folder / "out"
    names = [f"tyre{number}" for number in range(TYRES)]
    for number, name in enumerate(names):
        write_cut_outs(videos / name, range(6), mark=number)
    stack.start_batch("batch", videos, out, *stack.cheap)
    wanted = [f"reconstruct-{name}" for name in names]
    run = until("a run", lambda: stack.running(*wanted) if stack.alive("batch") else None)

    # a machine goes dark: the process, its worker and the server that they talked to, all at once
    child = process_of(run)
    worker = parent_of(child)
    os.kill(worker, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    stack.processes.pop("machine-1").wait()
    stack.stop("server-2", signal.SIGKILL)
    stack.start_worker("machine-2", "cpu")
    stack.start_worker("machine-3", "cpu")

    assert stack.end("batch") in MADE, stack.log("batch")
    entries = {e["name"]: e for e in json.loads((out / "batch.json").read_text())["tyres"]}
    attempts = {name: entry["attempts"] for name, entry in entries.items()}
    assert attempts.pop(run["name"].removeprefix("reconstruct-")) == 2
    assert set(attempts.values()) == {1}
    assert all(is_whole((out / f"{name}.glb").read_bytes()) for name in names)
    (dead,) = stack.runs(id={"any_": [run["id"]]})
    assert dead["state_type"] == "CRASHED"
    assert "No heartbeat" in dead["state"]["message"]


def test_nothing_of_it_lies_in_a_file(stack: Stack) -> None:
    """Postgres was used indeed: Prefect's own folder holds no database."""
    assert not list(Path(stack.env["PREFECT_HOME"]).rglob("*.db*"))


class Redis:
    """A Redis that comes back empty, as that of the compose file does."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.port = port
        self._command = [program, "--port", str(port), "--dir", str(folder), "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([*self._command, "--bind", "127.0.0.1"], stdout=DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that may be killed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    redis = Redis(program, tmp_path, free_port())
    redis.start()
    yield redis
    redis.kill()


def test_runs_outlive_a_restart_of_redis(
    tmp_path: Path, own_redis: Redis, shipped: dict[str, str]
) -> None:
    place = {
        "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
        "PREFECT_REDIS_MESSAGING_PORT": str(own_redis.port),
        "PREFECT_SERVER_DOCKET_URL": f"redis://127.0.0.1:{own_redis.port}/0",
    }
    stack = Stack(tmp_path / "stack", **shipped, **place)
    try:
        stack.start_server()
        stack.deploy()
        stack.start_worker("worker", "cpu")
        write_cut_outs(stack.folder / "in" / "tyre", range(6))
        stack.start_batch("batch", stack.folder / "in", stack.folder / "out", *stack.cheap)
        until("a run", lambda: stack.alive("batch") and stack.running("reconstruct-tyre"))
        own_redis.kill()
        time.sleep(5)
        own_redis.start()
        assert stack.end("batch") in MADE, stack.log("batch")
        (entry,) = json.loads((stack.folder / "out" / "batch.json").read_text())["tyres"]
        assert (entry["state"], entry["attempts"]) == ("completed", 1)
        again = stack.folder / "out" / "again"
        stack.start_batch("again", stack.folder / "in", again, *stack.cheap)
        assert stack.end("again") in MADE, "the server starts further runs"
    finally:
        stack.stop_all()
