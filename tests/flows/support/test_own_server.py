"""The password of the user's own server: generated once, read by this user, sent nowhere else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.support.own_server import (
    PASSWORD_FILE,
    can_write,
    own_password,
    own_server,
    server_lock,
    use_own_password,
)

URL = "http://127.0.0.1:4200/api"


@pytest.fixture(autouse=True)
def home(own_prefect_home: Path) -> Path:
    return own_prefect_home


def test_all_who_ask_at_once_get_one_password(home: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        (password,) = set(pool.map(lambda _: own_password(), range(64)))
    user, _, secret = password.partition(":")
    assert user == "tyre3d"
    assert len(secret) >= 32
    assert [p.name for p in home.iterdir()] == [PASSWORD_FILE]
    assert stat.S_IMODE((home / PASSWORD_FILE).stat().st_mode) == 0o600


def test_an_empty_file_is_no_password(home: Path) -> None:
    home.mkdir()
    (home / PASSWORD_FILE).touch()
    assert len(own_password()) > 32


def test_a_folder_that_can_be_made_can_be_written(home: Path) -> None:
    assert can_write(home / "a/b")
    assert not home.exists(), "nothing was made"
    home.mkdir()
    (home / "file").touch()
    assert not can_write(home / "file")
    assert not can_write(home / "file/a")
    assert not can_write(Path("/proc/tyre3d")), "root may write there, and yet nobody can"


def test_one_server_at_a_time() -> None:
    assert own_server(alive=False) is None
    with server_lock(URL) as first, server_lock(URL) as second:
        assert first
        assert not second
        assert own_server(alive=True) == URL
    assert own_server(alive=True) is None
    assert own_server(alive=False) == URL


def test_a_server_that_is_killed_is_gone() -> None:
    code = (
        "import os, sys; from flows.support.own_server import server_lock\n"
        f"with server_lock({URL!r}): os.execv('/bin/cat', ['cat'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"x\n")
        server.stdin.flush()
        assert server.stdout.readline() == b"x\n"
        assert own_server(alive=True) == URL
        server.kill()
    assert own_server(alive=True) is None


@pytest.mark.parametrize(
    ("named", "sent"),
    [
        (None, True),
        (URL, True),
        ("http://localhost:4200/api", True),
        ("http://127.0.0.1:4201/api", False),
        ("https://prefect.example/api", False),
        ("http://127.0.0.1.evil.example:4200/api", False),
    ],
)
def test_the_password_goes_to_the_own_server_only(
    named: str | None, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_lock(URL):
        pass
    if named is not None:
        monkeypatch.setenv("PREFECT_API_URL", named)
    use_own_password()
    assert os.environ.get("PREFECT_API_AUTH_STRING") == (own_password() if sent else None)
    assert os.environ["PREFECT_API_URL"] == (named or URL)


def test_a_password_that_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with server_lock(URL):
        pass
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:mine")
    use_own_password()
    assert os.environ["PREFECT_API_AUTH_STRING"] == "admin:mine"
