"""What dies, dies really: processes are killed, services taken away, disks filled.

After each, the run ends or goes on, nothing finished is computed again, and nothing half-written
is to be seen. The tyres are cheap: six small pictures and a tiny network.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from configs.stages import StageName
from tests.conftest import write_cut_outs
from tests.deployments.stack import (
    MADE,
    PATIENCE_S,
    ROOT,
    Stack,
    is_whole,
    parent_of,
    process_of,
    until,
)
from tests.support.s3 import KEY, REGION, SECRET, filesystem, s3_server

pytestmark = pytest.mark.services
SILENCE_S = 70
"""After which a run counts as crashed; heartbeats come every 30 seconds."""
STAGES = [name.value for name in StageName]


@dataclass
class Tyre:
    """One tyre, the batch that makes it, and what of it is finished."""

    stack: Stack
    name: str

    @property
    def out(self) -> Path:
        return self.stack.folder / "out" / self.name

    def start(self) -> None:
        videos = self.stack.folder / "in" / self.name
        options = [*self.stack.cheap, "--concurrency", "2"]
        self.stack.start_batch(self.name, videos, self.out, *options)

    def running(self) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            assert self.stack.alive(self.name)
            return self.stack.running(f"reconstruct-{self.name}")

        return until(f"the run of {self.name}", look, every_s=0.1)

    def end(self) -> dict[str, Any]:
        """The batch's entry; the batch must succeed."""
        assert self.stack.end(self.name) in MADE, self.stack.log(self.name)
        (entry,) = json.loads((self.out / "batch.json").read_text())["tyres"]
        visible = sorted(p.name for p in self.out.iterdir() if not p.name.startswith("."))
        ends = ("glb", "html", "json", "medium.glb", "preview.glb")
        assert visible == ["batch.html", "batch.json", *(f"{self.name}.{end}" for end in ends)]
        assert is_whole((self.out / f"{self.name}.glb").read_bytes())
        return dict(entry)


def finished(root: Path, stage: str = "*") -> dict[Path, tuple[int, int]]:
    """Every file of every finished artifact, with what changes when it is written anew."""
    found = {}
    for manifest in root.glob(f"cas/{stage}/*/manifest.json"):
        folder = manifest.parent / json.loads(manifest.read_text())["folder"]
        for path in [manifest, *(p for p in folder.rglob("*") if p.is_file())]:
            told = path.stat()
            found[path] = (told.st_ino, told.st_mtime_ns)
    return found


def assert_kept(before: dict[Path, tuple[int, int]], root: Path) -> None:
    assert before
    after = finished(root)
    assert {path: after.get(path) for path in before} == before


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("recovery"))
    try:
        stack.start_server()
        stack.deploy("--silence-s", str(SILENCE_S))
        stack.start_worker("cpu-1", "cpu")
        yield stack
    finally:
        stack.stop_all()


@pytest.fixture(scope="module")
def store(stack: Stack) -> Path:
    return stack.folder / "home" / "artifacts"


def new_tyre(stack: Stack, name: str, mark: int) -> Tyre:
    """A tyre that no other test has: its pictures are marked."""
    write_cut_outs(stack.folder / "in" / name, range(6), mark=mark)
    return Tyre(stack, name)


def disturbed(tyre: Tyre, store: Path) -> tuple[dict[str, Any], dict[Path, tuple[int, int]]]:
    """Start a tyre; returns its run and what is finished once frames have been selected."""
    before = finished(store)
    tyre.start()
    run = tyre.running()
    selected = len(finished(store, "select"))

    def is_selected() -> bool:
        return tyre.stack.alive(tyre.name) and len(finished(store, "select")) > selected

    until("the selection", is_selected, every_s=0.02)
    new = {path: told for path, told in finished(store).items() if path not in before}
    return run, new


@pytest.fixture(scope="module")
def zombie(stack: Stack, store: Path) -> tuple[Tyre, str, dict[Path, tuple[int, int]]]:
    """A run whose process and worker were both killed at once; another worker is there."""
    tyre = new_tyre(stack, "zombie", 100)
    run, done = disturbed(tyre, store)
    child = process_of(run)
    worker = parent_of(child)
    os.kill(worker, signal.SIGSTOP)  # it must not tell of the end of its child
    os.kill(child, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    stack.processes.pop("cpu-1").wait()
    stack.start_worker("cpu-2", "cpu")
    return tyre, run["id"], done


@pytest.mark.usefixtures("zombie")
def test_a_run_whose_process_is_killed_is_made_again(stack: Stack, store: Path) -> None:
    tyre = new_tyre(stack, "killed", 200)
    run, done = disturbed(tyre, store)
    os.kill(process_of(run), signal.SIGKILL)
    entry = tyre.end()
    assert entry["attempts"] == 2
    assert stack.runs(id={"any_": [run["id"]]})[0]["state_type"] == "CRASHED"
    assert_kept(done, store)


@pytest.mark.usefixtures("zombie")
def test_a_run_outlives_a_restart_of_the_server(stack: Stack, store: Path) -> None:
    tyre = new_tyre(stack, "restart", 300)
    _, done = disturbed(tyre, store)
    stack.stop("server", signal.SIGKILL)
    stack.start_server()
    tyre.end()
    assert_kept(done, store)


def test_a_run_without_process_and_worker_is_noticed_and_made_again(
    stack: Stack, store: Path, zombie: tuple[Tyre, str, dict[Path, tuple[int, int]]]
) -> None:
    tyre, run_id, done = zombie
    entry = tyre.end()
    assert entry["attempts"] == 2
    (run,) = stack.runs(id={"any_": [run_id]})
    assert run["state_type"] == "CRASHED"
    assert "No heartbeat" in run["state"]["message"]
    assert_kept(done, store)


def test_a_run_that_the_server_has_lost_sight_of_is_ended_by_a_worker(stack: Stack) -> None:
    """Its watch is made anew, and so has never heard that a worker took the run."""
    deployment = stack.request("GET", "deployments/name/infer/infer").json()["id"]
    asked = {"enforce_parameter_schema": False}
    answer = stack.request("POST", f"deployments/{deployment}/create_flow_run", json=asked)
    run = answer.json()["id"]
    taken = {"state": {"type": "PENDING", "name": "Pending"}, "force": True}
    assert stack.request("POST", f"flow_runs/{run}/set_state", json=taken).is_success
    stack.deploy("--silence-s", str(SILENCE_S), "--start-within-s", "10")
    stack.start("gpu", "flows.cli", "worker", "gpu", "--silence-s", "4")

    def ended() -> dict[str, Any] | None:
        (found,) = stack.runs(id={"any_": [run]})
        return found if found["state_type"] == "CRASHED" else None

    assert "nobody works on it" in until("the end of the run", ended)["state"]["message"]
    stack.stop("gpu")


def test_a_command_whose_own_server_dies_ends_at_once(stack: Stack) -> None:
    """Prefect's client would wait for minutes, and then tell of a fault of ours."""
    source, out = stack.folder / "in" / "lost", stack.folder / "out" / "lost"
    write_cut_outs(source, range(6), mark=350)
    home, prefect = stack.folder / "lost-home", stack.folder / "lost-prefect"
    env = {k: v for k, v in stack.env.items() if not k.startswith("PREFECT")}
    command = [sys.executable, "-m", "flows.cli", "reconstruct", str(source), "--out", str(out)]
    with (stack.folder / "logs" / "lost.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *stack.cheap, "--mc-resolution", "256"],
            cwd=ROOT,
            env={**env, "TYRE3D_HOME": str(home), "PREFECT_HOME": str(prefect)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    stack.processes["lost"] = process
    until("a stage", lambda: finished(home / "artifacts", "extract"), every_s=0.02)
    (server,) = [p for p in _servers_of(prefect) if stack.alive("lost")]
    os.kill(server, signal.SIGKILL)
    begun = time.monotonic()
    assert stack.end("lost") == 6, stack.log("lost")
    assert "[server-lost]" in stack.log("lost")
    assert time.monotonic() - begun < 30, "some seconds, on a busy machine"
    assert not list(out.glob("*")), "nothing half-written"


def _servers_of(prefect: Path) -> list[int]:
    """Processes of the local server that a command left in a folder of Prefect."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_server = b"flows.cli.server_process" in (entry / "cmdline").read_bytes()
            if is_server and (entry / "cwd").readlink() == prefect:
                found.append(int(entry.name))
    return found


def test_two_runs_of_one_tyre_at_once_make_one_result(stack: Stack, store: Path) -> None:
    stack.start_worker("cpu-3", "cpu")
    new_tyre(stack, "twin", 400)
    before = set(finished(store))
    outs = [stack.folder / "out" / name for name in ("twin-1", "twin-2")]
    for out in outs:
        stack.start_batch(out.name, stack.folder / "in" / "twin", out, *stack.cheap)
    assert {stack.end(out.name) for out in outs} <= set(MADE)
    one, other = (out / "twin.glb" for out in outs)
    assert is_whole(one.read_bytes())
    assert one.read_bytes() == other.read_bytes()
    manifests = [p for p in set(finished(store)) - before if p.name == "manifest.json"]
    assert sorted(p.parts[-3] for p in manifests) == sorted(STAGES)
    stack.stop("cpu-3")


def stages_of(metadata: Path) -> dict[str, str]:
    return {s["stage"]: s["state"] for s in json.loads(metadata.read_text())["stages"]}


def test_storage_that_is_away_is_waited_for_or_told(stack: Stack) -> None:
    source, out = stack.folder / "in" / "away", stack.folder / "out" / "away"
    write_cut_outs(source, range(6), mark=500)
    with s3_server("tyres") as server:
        storage = {
            "TYRE3D_STORAGE": "s3://tyres/artifacts",
            "TYRE3D_S3_ENDPOINT_URL": server.endpoint,
            "TYRE3D_S3_ACCESS_KEY": KEY,
            "TYRE3D_S3_SECRET_KEY": SECRET,
            "TYRE3D_S3_REGION": REGION,
            "TYRE3D_S3_ATTEMPTS": "1",
        }
        files = filesystem(server.endpoint)

        def done(stage: str) -> list[str]:
            assert stack.alive("away")
            return list(files.glob(f"tyres/artifacts/cas/{stage}/*/manifest.json"))

        command = ["flows.cli", "reconstruct", str(source), "--out", str(out), *stack.cheap]
        stack.start("away", *command, **storage, TYRE3D_S3_PATIENCE_S="0")
        until("the masks", lambda: done("remove-backgrounds"), every_s=0.02)
        server.go_away()
        assert stack.end("away") == 5, stack.log("away")
        assert "[storage-failed]" in stack.log("away")
        assert SECRET not in stack.log("away")
        assert list(out.iterdir()) == []
        server.come_back()

        stack.start("away", *command, **storage)
        until("the selection", lambda: done("select"), every_s=0.02)
        server.go_away()
        until("a second request", lambda: stack.log("away").count("asking again") > 1)
        assert stack.alive("away")
        server.come_back()
        assert stack.end("away") in MADE, stack.log("away")
    told = stages_of(out / "away.json")
    assert [told[s] for s in STAGES[:2]] == ["Cached", "Cached"]
    assert is_whole((out / "away.glb").read_bytes())


def test_a_full_disk_is_told_and_what_was_finished_is_kept(stack: Stack) -> None:
    """The disk ends within the mesh at first, then is made larger."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    source, out = stack.folder / "in" / "full", stack.folder / "out" / "full"
    write_cut_outs(source, range(6), mark=600)
    home, script = stack.folder / "small-disk", stack.folder / "full.sh"
    home.mkdir()
    script.write_text(
        f"""mount -t tmpfs -o size=900k none {home} || exit 77
"$@"; echo "ended $?"
(cd {home}/artifacts && find cas -name manifest.json) | cut -d/ -f2 | sed 's/^/kept /'
mount -o remount,size=64m {home}
"$@"; echo "ended $?"
"""
    )
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", str(script)]
    command += [
        sys.executable,
        "-m",
        "flows.cli",
        "reconstruct",
        str(source),
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [*command, *stack.cheap, "--mc-resolution", "128"],
        cwd=ROOT,
        env={**stack.env, "TYRE3D_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if "ended" not in done.stdout:
        assert "ermitted" in done.stderr + done.stdout, done.stderr
        pytest.skip("this machine does not let its users mount disks")
    lines = done.stdout.splitlines()
    full, larger = (int(x.split()[1]) for x in lines if x.startswith("ended"))
    assert (full, larger in MADE) == (5, True), done.stderr
    assert "[disk-full]" in done.stderr
    done = STAGES.index(StageName.MERGE)
    assert {x.split()[1] for x in lines if x.startswith("kept")} == set(STAGES[:done])
    states = stages_of(out / "full.json")
    assert [states[s] for s in STAGES] == ["Cached"] * done + ["Completed"] * (len(STAGES) - done)
    files = ["full.glb", "full.html", "full.json", "full.medium.glb", "full.preview.glb"]
    assert sorted(p.name for p in out.iterdir()) == files
    assert is_whole((out / "full.glb").read_bytes())
