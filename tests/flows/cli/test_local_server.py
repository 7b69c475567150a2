"""Which server a command uses: the one that is configured, the user's own, or one of its own."""

from __future__ import annotations

import base64
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import local_server, service_commands
from flows.cli.local_server import LocalServer, check_server, configured
from flows.support import own_server
from flows.support.own_server import own_password, server_lock
from tasks.core.errors import ResourceError

PASSWORD = "tyre3d:of the tests"


class _Prefect(http.server.BaseHTTPRequestHandler):
    """Answers as a Prefect server with a password does."""

    status = 200

    def do_GET(self) -> None:
        sent = self.headers.get("Authorization", "")
        wanted = "Basic " + base64.b64encode(PASSWORD.encode()).decode()
        status = self.status if self.path.endswith("/ready") or sent == wanted else 401
        is_version = self.path.endswith("/admin/version")
        body = json.dumps("3.0.0" if is_version else {"message": "OK"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Prefect) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}/api"
        http_server.shutdown()


@pytest.fixture(autouse=True)
def _surroundings(own_prefect_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_server, "_LOOK_S", 0.05)


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_this_machine_is_asked_past_any_proxy(
    server: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.com")
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    assert local_server._answers(server)
    own_server.ask_loopback_directly()
    for name in ("no_proxy", "NO_PROXY"):
        assert os.environ[name] == "example.com,127.0.0.1,localhost,::1"
    own_server.ask_loopback_directly()
    assert os.environ["no_proxy"].count("localhost") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prefect.toml", '[api]\nurl = "SERVER"\n'),
        (".env", "PREFECT_API_URL=SERVER\n"),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "SERVER"\n'),
        (
            "profiles.toml",
            'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "SERVER"\n',
        ),
    ],
)
def test_a_server_named_in_a_file_is_heeded(tmp_path: Path, name: str, text: str) -> None:
    """In a process of its own: Prefect looks at these files when it is imported."""
    url = "http://127.0.0.1:4999/api"
    (tmp_path / name).write_text(text.replace("SERVER", url))
    code = "from flows.cli.local_server import configured; print(configured())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **{k: v for k, v in os.environ.items() if "PREFECT" not in k and "PYTEST" not in k},
            "PREFECT_PROFILES_PATH": str(tmp_path / "profiles.toml"),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert told.stdout.strip() == url


def test_files_that_name_no_server_cost_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["fastapi"]\n')
    (tmp_path / ".env").write_text("SECRET=1\n")
    assert configured() == ""


def test_a_server_that_is_away_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "_ANSWERS_WITHIN_S", 0.2)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(ResourceError, match=r"\[server-away\].*127.0.0.1:9.*PREFECT_API_URL"):
        LocalServer().start()


def test_the_users_own_server_that_has_just_begun_is_waited_for_longer(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``tyre3d ui`` tells the address before it answers: the next command is typed at once."""
    monkeypatch.setattr(local_server, "_ANSWERS_WITHIN_S", 0.0)
    monkeypatch.setenv("PREFECT_API_URL", server)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", PASSWORD)
    with monkeypatch.context() as starting:
        statuses = iter([503] * 4)
        starting.setattr(_Prefect, "status", property(lambda _: next(statuses, 200)))
        with pytest.raises(ResourceError, match=r"\[server-away\].*503"):  # a stranger's
            check_server()
        with server_lock(server):
            check_server()
        assert next(statuses, None) is None


def test_a_wrong_password_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server)
    for password in ("", "tyre3d:wrong"):
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", password)
        with pytest.raises(ResourceError, match=r"\[server-denied\].*PREFECT_API_AUTH_STRING"):
            check_server()
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", PASSWORD)
    check_server()


@pytest.mark.parametrize("status", [404, 200])
def test_a_strangers_server_is_told(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 4200 is that of other programs, too; some answer all addresses with their page."""

    class Stranger(_Prefect):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{stranger.server_port}/api")
        with pytest.raises(ResourceError, match=r"\[server-away\].*no Prefect server.*PREFECT_API"):
            check_server()
        stranger.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_taken_is_told_before_anything_starts(host: str) -> None:
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=rf"\[port-taken\].*{port}.*--port"):
            service_commands._check_port(host, port)
    service_commands._check_port(host, port)


def test_only_the_users_own_server_is_used_unasked(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def start_child(module: str, port: str, env: dict[str, str], **_: object) -> None:
        started.append(env["PREFECT_SERVER_API_AUTH_STRING"])

    monkeypatch.setattr(local_server, "start_child", start_child)
    with server_lock(server) as held:
        assert held
        LocalServer().start()
        assert started == []
        assert os.environ["PREFECT_API_URL"] == server
        assert os.environ["PREFECT_API_AUTH_STRING"] == own_password()
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name)
    LocalServer().start()  # the other is somebody else's now, though it answers
    assert len(started) == 1
    assert os.environ["PREFECT_API_URL"] != server
    assert os.environ["PREFECT_API_AUTH_STRING"] == started[0] != own_password()


@pytest.mark.parametrize("any_lost", [True, False])
def test_lost_runs_are_ended_beside_the_command(
    any_lost: bool, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = threading.Event(), threading.Event()

    def end_lost_runs() -> None:
        began.set()
        ended.wait(60)

    monkeypatch.setattr(local_server, "any_noted", lambda: any_lost)
    monkeypatch.setattr(local_server, "end_lost_runs", end_lost_runs)
    monkeypatch.setattr(local_server, "_ENDING_WITHIN_S", 0.05)
    with server_lock(server):
        used = LocalServer()
        used.start()
        used.wait()
        assert began.wait(60 if any_lost else 0.1) == any_lost
        used.stop()  # whether they are ended or not
    ended.set()


@pytest.mark.parametrize("killed", [True, False])
def test_the_death_of_its_server_is_noticed_and_its_end_is_none(
    killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def start_child(*_: object, **__: object) -> subprocess.Popen[bytes]:
        children.append(subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE))
        return children[-1]

    monkeypatch.setattr(local_server, "start_child", start_child)
    monkeypatch.setattr(local_server, "_answers", lambda *_, **__: True)
    lost = threading.Event()
    server = LocalServer(lost.set)
    server.start()
    server.wait()
    assert not lost.wait(0.2)
    if killed:
        children[0].kill()
        assert lost.wait(60)
    server.stop()
    assert lost.wait(0.2) == killed
