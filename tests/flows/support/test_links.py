"""Links from pages of runs: what a run signed is served to this machine, and nothing else."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from configs.settings import Settings
from flows.support import links
from flows.support.own_server import own_password
from flows.support.summary import links_to

SECRET = "tyre3d:secret"


@pytest.fixture
def port() -> Iterator[int]:
    with links.links_server(SECRET, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "a (b) #1 %20 é\udcff" / "tyre.html"
    path.parent.mkdir()
    path.write_text("<p>a report</p>")
    (path.parent / "tyre.glb").write_bytes(b"glTF")
    (path.parent / "tyre.json").write_text("{}")
    return path


def asked(address: str, host: str = "") -> tuple[int, bytes, str]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=30)
    connection.request("GET", parts.path, headers={"Host": host or parts.netloc})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.getheader("Content-Type", "")


def test_what_was_signed_is_served(port: int, report: Path) -> None:
    address = links.signed_address(report, SECRET, port)
    assert not set("() #\"'<>|") & set(address), "Markdown and browsers take it as it is"
    assert asked(address) == (200, b"<p>a report</p>", "text/html; charset=utf-8")
    mesh = links.signed_address(report.with_name("tyre.glb"), SECRET, port)
    assert asked(mesh) == (200, b"glTF", "model/gltf-binary")


@pytest.mark.parametrize(
    "change",
    ["other file", "other secret", "other kind", "no signature", "gone", "another host", "above"],
)
def test_nothing_else_is(port: int, report: Path, change: str) -> None:
    address = links.signed_address(report, SECRET, port)
    host = ""
    if change == "other file":
        address = address.replace("tyre.html", "tyre.glb")
    elif change == "other secret":
        address = links.signed_address(report, "tyre3d:guessed", port)
    elif change == "other kind":
        address = links.signed_address(report.with_name("tyre.json"), SECRET, port)
    elif change == "no signature":
        address = f"http://127.0.0.1:{port}{urlsplit(address).path[33:]}"
    elif change == "gone":
        report.unlink()
    elif change == "another host":
        host = f"evil.example:{port}"
    else:
        address = address.replace("/tyre.html", "/../tyre.html")
    status, content, _ = asked(address, host)
    assert (status, content) == (404, b"")


def test_runs_link_to_what_this_machine_serves(
    report: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    metadata = {"report_path": str(report), "output_path": str(report.with_name("tyre.glb"))}
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    found = links_to(metadata, Settings(links_port=4711))
    assert found["report"] == links.signed_address(report, own_password(), 4711)
    assert set(found) == {"report", "GLB"}
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example:4200/api")
    assert links_to(metadata, Settings()) == {}, "elsewhere nobody sees this machine's files"


def test_it_serves_as_long_as_the_server_with_the_ui_lives(
    report: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    with links.links_server("x", 0) as probe:
        port = probe.server_address[1]
    start = (
        "import os, subprocess, sys, time\n"
        "args = [sys.executable, '-m', 'flows.cli.links_process', sys.argv[1], str(os.getpid())]\n"
        "print(subprocess.Popen(args, stdout=subprocess.DEVNULL).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", start, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        served = int(parent.stdout.readline())
        address = links.signed_address(report, own_password(), port)
        assert soon(lambda: answers(address))
        parent.kill()
    assert soon(lambda: not Path(f"/proc/{served}").exists() or zombie(served))
    assert not answers(address)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def soon(true: object) -> bool:
    import time

    for _ in range(1200):
        if callable(true) and true():
            return True
        time.sleep(0.05)
    return False
