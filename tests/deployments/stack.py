"""A whole installation on this machine: Prefect's server, workers, S3, the API; own folders."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from configs.settings import default_home
from flows.cli.commands import REFUSED
from flows.support.new_database import make_database
from flows.support.own_server import closed, new_password
from tests.conftest import write_tiny_model

_T = TypeVar("_T")
ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"
MADE = (0, REFUSED)
"""Exit codes of commands that made what was asked for; the verdict on coarse meshes is bad."""
PATIENCE_S = float(os.environ.get("TYRE3D_TEST_PATIENCE_S", "600"))
"""How long a test waits for one thing; a loaded machine needs more."""


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, look: Callable[[], _T | None], every_s: float = 0.5) -> _T:
    """What ``look`` returns, once it is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(every_s)
    return found


def answered(what: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """What a service says, asked again while it starts or has too much to do."""

    def said() -> httpx.Response | None:
        try:
            answer = ask()
        except httpx.TransportError:
            return None
        return None if answer.status_code in (429, 503) else answer

    return until(what, said)


class Stack:
    """Processes of one installation, each with a log of its own.

    Args:
        folder: One of its own, for all that it writes.
        settings: Environment variables that differ.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.database = "SQLite"
        self.prefect = f"http://127.0.0.1:{free_port()}/api"
        self.api = f"http://127.0.0.1:{free_port()}"
        self.password = new_password()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("logs", "in", "out", "home"):
            (folder / name).mkdir(parents=True)
        (folder / "home" / "models").symlink_to(default_home() / "models")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "TYRE3D"))}
        self.env = {
            **kept,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": self.prefect,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_CLI_COLORS": "false",
            "OMP_NUM_THREADS": "1",
            "TYRE3D_HOME": str(folder / "home"),
            "TYRE3D_API_TOKEN": TOKEN,
            "TYRE3D_API_INPUT_ROOTS": f'["{folder / "in"}"]',
            "TYRE3D_API_OUTPUT_ROOTS": f'["{folder / "out"}"]',
            "TYRE3D_API_PORT": self.api.rpartition(":")[2],
            "PREFECT_API_AUTH_STRING": self.password,
            **closed(self.password, self.prefect.removesuffix("/api")),
            **settings,
        }

    @property
    def cheap(self) -> list[str]:
        """Options of commands for tyres of a few small pictures: a tiny network, a coarse mesh."""
        folder = self.folder / "home" / "models"
        if folder.is_symlink():
            folder.unlink()
            write_tiny_model(folder / "tiny")
        model = ["--model", str(folder / "tiny"), "--device", "cpu"]
        return [*model, "--motion", "orbit", "--num-frames", "2", "--mc-resolution", "32"]

    def start(self, name: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """Start ``python -m arguments`` in a session of its own."""
        log = (self.folder / "logs" / f"{name}.log").open("ab")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def start_server(self, name: str = "server", *options: str, url: str = "") -> None:
        url = url or self.prefect
        (self.folder / "prefect").mkdir(exist_ok=True)
        make_database(self.folder / "prefect" / "prefect.db")  # as for the local server
        address = ["--host", "127.0.0.1", "--port", url.removesuffix("/api").rpartition(":")[2]]
        self.start(name, "flows.cli.prefect_process", "server", "start", *address, *options)
        until("Prefect's server", lambda: self.alive(name) and _ok(f"{url}/health"))

    def deploy(self, *options: str) -> None:
        done = self.start("deploy", "deployments.deploy", *options).wait(PATIENCE_S)
        assert done == 0, self.log("deploy")

    def start_batch(self, name: str, videos: Path | str, out: Path | str, *options: str) -> None:
        where = [str(videos), "--out", str(out), "--deployment", "reconstruct/reconstruct"]
        self.start(name, "flows.cli", "batch", *where, *options)

    def end(self, name: str) -> int:
        """Exit code of a process that ends by itself."""
        return self.processes.pop(name).wait(PATIENCE_S)

    def start_worker(self, name: str, pool: str, **env: str) -> None:
        options = ["--pool", pool, "--name", name, "--limit", "1", "--type", "process"]
        self.start(name, "prefect", "worker", "start", *options, **env)

    def start_api(self) -> None:
        self.start("api", "deployments.api")
        until("the API", lambda: self.alive("api") and _ok(f"{self.api}/health"))

    def alive(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.log(name)
        return True

    def name_of(self, pid: int) -> str:
        return next(name for name, process in self.processes.items() if process.pid == pid)

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop_all(self) -> None:
        for process in self.processes.values():  # at once: each may take its time
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for name in reversed(list(self.processes)):
            self.stop(name)

    def running(self, *names: str) -> dict[str, Any] | None:
        """A run of one of these names whose process is known."""
        found = self.runs(name={"any_": list(names)}, state={"type": {"any_": ["RUNNING"]}})
        return next((run for run in found if run["infrastructure_pid"]), None)

    def running_of(self, worker: str) -> dict[str, Any] | None:
        """A run whose process belongs to this worker."""
        for run in self.runs(state={"type": {"any_": ["RUNNING"]}}):
            with contextlib.suppress(FileNotFoundError, TypeError, AttributeError):
                if parent_of(process_of(run)) == self.processes[worker].pid:
                    return run
        return None

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Prefect's answer."""
        user, _, password = self.password.partition(":")

        def ask() -> httpx.Response:
            return httpx.request(
                method, f"{self.prefect}/{path}", auth=(user, password), timeout=60, **options
            )

        return answered(f"{method} {path}", ask)

    def runs(self, **wanted: Any) -> list[dict[str, Any]]:
        """Flow runs that Prefect's server knows."""
        answer = self.request("POST", "flow_runs/filter", json={"flow_runs": wanted})
        answer.raise_for_status()
        return list(answer.json())

    def all_runs(self, **wanted: Any) -> list[dict[str, Any]]:
        """Likewise, also where there are more than one answer holds."""
        found: list[dict[str, Any]] = []
        while True:
            body = {"flow_runs": wanted, "offset": len(found), "sort": "ID_DESC"}
            answer = self.request("POST", "flow_runs/filter", json=body)
            answer.raise_for_status()
            if not answer.json():
                return found
            found += answer.json()


def is_whole(glb: bytes) -> bool:
    return glb[:4] == b"glTF" and int.from_bytes(glb[8:12], "little") == len(glb)


def process_of(run: dict[str, Any]) -> int:
    """Process of a run on this machine."""
    return int(run["infrastructure_pid"].rpartition(":")[2])


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).status_code == 200
    except httpx.TransportError:
        return False
