"""The server that stays up: found by the next command, and gone when nobody uses it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from flows.cli import local_server, server_process
from flows.cli.local_server import LocalServer
from flows.support import kept_server as kept
from flows.support.kept_server import Lease, kept_server_lock, kind, wait_until_unused
from flows.support.own_server import own_password, prefect_home, server_lock

URL = "http://127.0.0.1:9/api"


@pytest.fixture(autouse=True)
def _surroundings(own_prefect_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_server, "_LOOK_S", 0.02)
    monkeypatch.setattr(local_server, "_ANSWERS_WITHIN_S", 0.2)
    monkeypatch.setattr(kept, "_LOOK_S", 0.02)


class _Process:
    """A server's process that does nothing."""

    stdin = None
    ended: int | None = None

    def poll(self) -> int | None:
        return self.ended

    def terminate(self) -> None:
        self.ended = -15

    def wait(self, timeout: float) -> None:
        """It has ended."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What servers were started with."""
    calls: list[tuple[str, ...]] = []

    def start(*arguments: str) -> _Process:
        calls.append(arguments)
        return _Process()

    monkeypatch.setattr(local_server.subprocess, "Popen", lambda c, **_: start(*c[3:]))
    monkeypatch.setattr(local_server, "start_child", lambda *_, **__: start("private"))
    return calls


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def test_the_server_of_an_earlier_command_is_found(
    started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "_answers", lambda *_: True)
    prefect_home().mkdir()
    with kept_server_lock(URL, kind()) as mine:
        assert mine
        server = LocalServer(idle_s=60)
        server.start()
        server.wait()
        assert os.environ["PREFECT_API_URL"] == URL
        assert os.environ["PREFECT_API_AUTH_STRING"] == own_password()
        server.stop()
        with kept_server_lock(URL, kind()) as second:
            assert not second
    assert started == []


@pytest.mark.parametrize("why", ["other release", "hangs", "no locks"])
def test_a_command_has_its_own_server_where_the_one_that_is_kept_is_none_for_it(
    why: str, started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "_answers", lambda *_: why != "hangs")
    if why == "no locks":
        monkeypatch.setattr(kept.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(95, "")))
    prefect_home().mkdir()
    with (prefect_home() / "tyre3d-local.json").open("w") as file:
        json.dump({"url": URL, "kind": "x" if why == "other release" else kind()}, file)
        file.flush()
        if why != "no locks":
            kept.fcntl.flock(file, kept.fcntl.LOCK_EX)
        server = LocalServer(idle_s=60)
        server.start()
        server.stop()
    assert started == [("private",)]
    assert os.environ["PREFECT_API_URL"] != URL


def test_it_is_started_where_none_is_alive_and_its_death_is_noticed(
    started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "_answers", lambda *_: True)
    prefect_home().mkdir()
    (prefect_home() / "tyre3d-local.json").write_text(json.dumps({"url": URL, "kind": kind()}))
    lost = threading.Event()
    server = LocalServer(lost.set, 60)
    starting = threading.Thread(target=server.start)
    starting.start()
    assert soon(lambda: started == [("keep", "60", kind())])
    with kept_server_lock(URL, kind()) as alive:
        assert alive
        starting.join()
        assert os.environ["PREFECT_API_URL"] == URL, "before Prefect, which reads it, is imported"
        assert os.environ["PREFECT_API_AUTH_STRING"] == own_password()
        server.wait()
        assert not lost.wait(0.2)
    assert lost.wait(60)
    server.stop()


def test_a_command_has_its_own_server_where_the_one_it_started_does_not_come(
    started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "_ANNOUNCED_WITHIN_S", 0.1)
    server = LocalServer(idle_s=60)
    server.start()
    assert [call[0] for call in started] == ["keep", "private"]
    server.stop()


def test_it_ends_when_nobody_used_it_for_long(tmp_path: Path) -> None:
    prefect_home().mkdir()
    with kept_server_lock(URL, kind()):
        lease = Lease.take()
        waiting = threading.Thread(target=wait_until_unused, args=(0.1, lambda: False))
        waiting.start()
        time.sleep(0.4)
        assert waiting.is_alive()
        lease.give_back()
        assert soon(lambda: not waiting.is_alive())
        assert kept.kept_server() is None, "whoever comes now finds none"
        with kept_server_lock(URL, kind()) as next_one:
            assert next_one, "and may start the next one while this one ends"


def test_it_makes_room_for_the_server_with_the_ui() -> None:
    prefect_home().mkdir()
    with kept_server_lock(URL, kind()), server_lock("http://127.0.0.1:4200/api"):
        wait_until_unused(1e6, lambda: kept.kept_server() is not None)
    assert kept.kept_server() is None


def test_it_ends_with_its_folder(tmp_path: Path) -> None:
    prefect_home().mkdir()
    with kept_server_lock(URL, kind()):
        waiting = threading.Thread(target=wait_until_unused, args=(1e6, lambda: False))
        waiting.start()
        (prefect_home() / "tyre3d-local.json").unlink()
        assert soon(lambda: not waiting.is_alive())


def test_servers_of_other_settings_are_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kind()
    monkeypatch.setenv("PREFECT_API_URL", URL)
    assert kind() == before
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////elsewhere.db")
    assert kind() != before


def test_a_run_whose_stages_are_all_there_imports_no_heavy_library() -> None:
    code = (
        "import sys, flows.reconstruct\n"
        "print(*{'torch', 'cv2', 'scipy', 'skimage', 'trimesh', 'av'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert told.stdout.strip() == ""


COMMAND = """
import os, sys
from flows.cli.local_server import LocalServer
server = LocalServer(idle_s=float(sys.argv[1]))
server.start()
import prefect.settings
url = prefect.settings.get_current_settings().api.url
assert url == os.environ["PREFECT_API_URL"], "Prefect would start a server of its own"
server.wait()
import urllib.request
request = urllib.request.Request(os.environ["PREFECT_API_URL"] + "/admin/version")
try:
    urllib.request.urlopen(request)
    sys.exit("it is open to everyone")
except urllib.error.HTTPError as exc:
    assert exc.code == 401
print(os.environ["PREFECT_API_URL"], flush=True)
server.stop()
"""


@pytest.mark.slow
def test_commands_share_a_real_server_until_it_is_unused_or_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

    def commands(count: int, idle_s: float) -> list[str]:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", COMMAND, str(idle_s)],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        told = [process.communicate(timeout=300)[0].strip() for process in running]
        assert [process.returncode for process in running] == [0] * count
        return told

    first = commands(3, 600.0)
    assert len(set(first)) == 1, "three at once on an empty folder start one"
    assert not (prefect_home() / "memo_store.toml").exists(), "that with the UI would lack blocks"
    assert commands(1, 600.0) == first[:1]
    (server,) = _processes(str(prefect_home()))
    os.kill(server, signal.SIGKILL)
    second = commands(1, 2.0)
    assert second != first[:1]
    assert soon(lambda: kept.kept_server() is None)
    assert soon(lambda: _processes(str(prefect_home())) == [])


def _processes(home: str) -> list[int]:
    """Kept servers of a folder of Prefect."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if b"flows.cli.server_process" in command and str((entry / "cwd").readlink()) == home:
                found.append(int(entry.name))
    return found


def test_answers_do_not_wait_for_acknowledgement() -> None:
    async def asked() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
            told.set_result(writer.get_extra_info("socket").getsockopt(*option))
            writer.close()

        bound = server_process.free_port()
        async with await asyncio.start_server(look, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            writer.close()
            return await told

    assert asyncio.run(asked())


def test_a_run_does_not_wait_for_its_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect import flow_engine

    patched = flow_engine._send_heartbeats  # by another test, or not
    as_it_was = patched.func if isinstance(patched, functools.partial) else patched
    assert "join_on_exit" in inspect.signature(as_it_was).parameters
    monkeypatch.setattr(flow_engine, "_send_heartbeats", as_it_was)
    for _ in range(2):
        local_server._end_without_pause()
        beating = cast(functools.partial[object], flow_engine._send_heartbeats)
        assert (beating.func, beating.keywords) == (as_it_was, {"join_on_exit": False})
