"""A Prefect server for commands, where no other is configured.

Prefect would start one by itself, but only when the first flow runs, and wait for it. Here it is
started first of all, so that it comes up while weights and the input are looked at, and stays up
for the next commands (:mod:`flows.support.kept_server`). It shares the user's database with a
server that others may reach, so that it is closed like that one.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.cli.warm_start import leave_one_ready
from flows.support.kept_server import LOG_FILE, Lease, kept_server, kind
from flows.support.local_runs import any_noted, end_lost_runs
from flows.support.own_server import (
    can_write,
    closed,
    is_loopback,
    new_password,
    own_password,
    own_server,
    prefect_home,
    same_server,
    use_own_password,
)
from tasks.core.errors import ResourceError
from tasks.core.processes import start_child

_READY_WITHIN_S = 300.0
_SOCKET_TIMEOUT_S = 10.0
_ANSWERS_WITHIN_S = 10.0
"""For a server that is said to run; one that is just starting is waited for."""
_OWN_ANSWERS_WITHIN_S = 60.0
"""It tells where it is as it begins, and answers once its database is looked through."""
_ANNOUNCED_WITHIN_S = 30.0
"""It tells its address before it imports anything that takes long."""
_ENDING_WITHIN_S = 2.0
"""For the end of lost runs, where a command itself takes less."""
_LOOK_S = 1.0
_SERVER_ENV = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_SERVER_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    # no run uses any; the server with the UI registers them, unless one has noted that it did
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "0",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "0",
}
_FILES_OF_PREFECT = {
    "prefect.toml": "",
    ".env": "PREFECT_API_URL",
    "pyproject.toml": "[tool.prefect",
}
"""Files of the working directory in which Prefect reads settings, and what these have in them."""
_log = logging.getLogger("tyre3d")


def configured() -> str:
    """The address of the server that the user chose, in whatever way Prefect knows; or nothing."""
    named = os.environ.get("PREFECT_API_URL")
    if named is not None:
        return named
    profiles = os.environ.get("PREFECT_PROFILES_PATH") or prefect_home() / "profiles.toml"
    files = {**_FILES_OF_PREFECT, str(profiles): "PREFECT_API_URL"}
    texts = ((_text(Path(file)), mark) for file, mark in files.items())
    if not any(text is not None and mark in text for text, mark in texts):
        return ""  # nothing that Prefect, which takes seconds to import, could find more in
    from prefect.settings import get_current_settings

    return get_current_settings().api.url or ""


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _open(url: str, timeout_s: float, headers: dict[str, str] | None = None) -> Any:
    """Answer of a server; this machine's own is asked directly, whatever proxies there are."""
    opener = urllib.request.build_opener(
        *([urllib.request.ProxyHandler({})] if is_loopback(url) else [])
    )
    return opener.open(urllib.request.Request(url, headers=headers or {}), timeout=timeout_s)


def _answers(url: str, timeout_s: float = 2.0) -> bool:
    """Whether a Prefect server is ready there; ``/health`` answers before its database can."""
    try:
        with _open(f"{url}/ready", timeout_s) as answer:
            return answer.status == 200 and "message" in json.load(answer)
    except (OSError, ValueError):
        return False


def check_server(within_s: float | None = None) -> None:
    """Make sure that the server that is configured answers and takes our credentials.

    Args:
        within_s: How long one that is just starting is waited for; default: ten seconds, or a
            minute where it is this user's own and its process lives.

    Raises:
        ResourceError: ``no-server``, ``server-away`` or ``server-denied``.
    """
    url = configured()
    if not url:
        raise ResourceError(
            "no-server",
            stage="start",
            what="no Prefect server is named, and none of your own was started by: tyre3d ui",
            advice="Start one, or set PREFECT_API_URL",
        )
    begun = time.monotonic()
    while True:
        try:
            _look_at(url)
            return
        except OSError as exc:
            usual = _OWN_ANSWERS_WITHIN_S if _is_own(url) else _ANSWERS_WITHIN_S
            if time.monotonic() - begun > (usual if within_s is None else within_s):
                raise ResourceError(
                    "server-away",
                    stage="start",
                    what=f"Prefect's server at {url} does not answer ({exc})",
                    advice="Start it, or mend or unset PREFECT_API_URL",
                ) from exc
        time.sleep(_LOOK_S)


def check_home() -> None:
    """Make sure that a server can keep its database.

    Raises:
        ResourceError: ``server-start``.
    """
    if not can_write(prefect_home()):
        raise ResourceError(
            "server-start",
            stage="start",
            what=f"{prefect_home()} cannot be written, where Prefect's local server keeps runs",
            advice="Let this user write there, or set TYRE3D_HOME to another folder",
        )


def _is_own(url: str) -> bool:
    """Whether a server is this user's own, whose process lives."""
    own = own_server(alive=True)
    return own is not None and same_server(own, url)


def _look_at(url: str) -> None:
    """Ask a server for its version, which needs the password where one is needed.

    Raises:
        OSError: It does not answer.
        ResourceError: ``server-denied``.
    """
    headers = {}
    if (password := os.environ.get("PREFECT_API_AUTH_STRING")) is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(password.encode()).decode()
    try:
        with _open(f"{url.rstrip('/')}/admin/version", _SOCKET_TIMEOUT_S, headers) as answer:
            is_prefect = isinstance(json.load(answer), str)
    except urllib.error.HTTPError as exc:
        if "PREFECT_API_KEY" in os.environ:
            return  # Prefect Cloud, which tells no version
        if exc.code in (401, 403):
            raise ResourceError(
                "server-denied",
                stage="start",
                what=f"Prefect's server at {url} wants another password",
                advice="Set PREFECT_API_AUTH_STRING, or mend or unset PREFECT_API_URL",
            ) from exc
        if exc.code >= 500:  # it may be starting
            raise
        is_prefect = False
    except ValueError:
        is_prefect = False
    if not is_prefect:
        raise ResourceError(
            "server-away",
            stage="start",
            what=f"what answers at {url} is no Prefect server",
            advice="Mend or unset PREFECT_API_URL",
        )


class LocalServer:
    """The server of this command; does nothing where one is configured or the user's own runs.

    Args:
        lost: Called, on another thread, if the server that this object found or started dies.
        idle_s: How long the server stays up for further commands once none uses it; 0: it is
            started for this command alone, and ends with it.
    """

    def __init__(self, lost: Callable[[], None] | None = None, idle_s: float = 0.0) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lease: Lease | None = None
        self._url = ""
        self._lost = lost
        self._idle_s = idle_s
        self._stopped = threading.Event()
        self._ending: threading.Thread | None = None

    def start(self) -> None:
        """Start it and return at once.

        Raises:
            ResourceError: A server is configured and cannot be used (:func:`check_server`), or
                none can be started, since there is nowhere to keep its database.
        """
        if configured():
            use_own_password()
            check_server()
            return
        own = own_server(alive=True)
        if own is not None and _answers(own):
            _log.info("Prefect's server: %s", own)
            os.environ["PREFECT_API_URL"] = own
            os.environ.setdefault("PREFECT_API_AUTH_STRING", own_password())
            return
        check_home()
        if self._idle_s > 0 and self._share():
            return
        self._start_private()

    def _share(self) -> bool:
        """Use the server that is kept, or start it; false where this cannot be."""
        try:
            self._lease = Lease.take()
            password = own_password()
        except OSError as exc:  # a folder without locks, or that is full
            _log.debug("no server can be kept: %s", exc)
            return False
        kept = kept_server()
        if kept is None:
            self._process = self._start_kept(password)
            kept = self._announced()
        if kept is None or kept[1] != kind() or not self._is_usable(kept[0]):
            _log.debug("no server that is kept is one for this command")
            self._lease.give_back()
            self._lease = self._process = None
            return False
        # known before Prefect is imported, which reads it once, and would else start one of its own
        self._url = os.environ["PREFECT_API_URL"] = kept[0]
        os.environ["PREFECT_API_AUTH_STRING"] = password
        return True

    def _announced(self) -> tuple[str, str] | None:
        """The server that was just started, or another command's; None where neither comes."""
        end = time.monotonic() + _ANNOUNCED_WITHIN_S
        while time.monotonic() < end:
            if kept := kept_server():
                return kept
            if self._process is None or self._process.poll() is not None:
                return kept_server()  # it made room for another, or cannot run here
            time.sleep(0.01)
        return None

    def _is_usable(self, url: str) -> bool:
        """Whether a server that was found answers; one that just starts is waited for later."""
        return self._process is not None or _answers(url, _SOCKET_TIMEOUT_S)

    def _start_kept(self, password: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "flows.cli.server_process"]
        with (prefect_home() / LOG_FILE).open("w") as log:
            return subprocess.Popen(
                [*command, "keep", str(self._idle_s), kind()],
                env=_environment(password),
                cwd=prefect_home(),  # of the command's folder nothing is used, nor is it kept busy
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def _start_private(self) -> None:
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}/api"
        password = new_password()
        self._process = start_child(
            "flows.cli.server_process",
            str(port),
            env=_environment(password),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.environ["PREFECT_API_URL"] = self._url
        os.environ["PREFECT_API_AUTH_STRING"] = password

    def wait(self) -> None:
        """Wait until it answers; from then on its death is noticed.

        Raises:
            ResourceError: If it does not come up.
        """
        _end_without_pause()
        if self._lease is None and self._process is None:
            self._end_lost_runs()
            return
        # Prefect imports it with its first flow; here it costs nothing, as the server starts.
        importlib.import_module("fastapi.encoders")
        end = time.monotonic() + _READY_WITHIN_S
        while not self._is_ready():
            if not self._is_alive() or time.monotonic() > end:
                raise ResourceError(
                    "server-start",
                    stage="start",
                    what="Prefect's local server does not start",
                    advice=self._advice(),
                )
            time.sleep(0.05)
        if self._lease is not None:
            self._process = None  # it is everybody's now
        self._end_lost_runs()
        if self._lost is not None:
            threading.Thread(target=self._watch, args=(self._lost,), daemon=True).start()

    def _end_lost_runs(self) -> None:
        """End runs whose processes were killed, while this command goes on."""
        if any_noted():
            self._ending = threading.Thread(target=end_lost_runs, daemon=True)
            self._ending.start()

    def _is_ready(self) -> bool:
        return _answers(self._url)

    def _is_alive(self) -> bool:
        """Whether the server lives; one that is kept may be another process than was started."""
        if self._lease is not None:
            kept = kept_server()
            return kept is not None and kept[0] == self._url
        return self._process is not None and self._process.poll() is None

    def _advice(self) -> str:
        if self._lease is not None:
            return f"What it said is in {prefect_home() / LOG_FILE}"
        return "Run: tyre3d ui, and see what it says"

    def _watch(self, lost: Callable[[], None]) -> None:
        while not self._stopped.wait(_LOOK_S):
            if not self._is_alive() and not self._stopped.is_set():
                lost()
                return

    def stop(self) -> None:
        """Stop it, if this object started it for itself; one that is kept is left to others."""
        self._stopped.set()
        if self._ending is not None:
            self._ending.join(_ENDING_WITHIN_S)
        if (self._process or self._lease) and "prefect" in sys.modules:
            from prefect.logging.handlers import APILogHandler

            APILogHandler().flush()
        if self._lease is not None:
            if self._is_alive():
                leave_one_ready(self._url)
            self._lease.give_back()
            self._lease = self._process = None
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def _end_without_pause() -> None:
    """Have runs end at once: Prefect waits for their heartbeats, which sleep by the second."""
    from prefect import flow_engine

    beating = flow_engine._send_heartbeats
    if not isinstance(beating, functools.partial):
        patched = functools.partial(beating, join_on_exit=False)
        flow_engine._send_heartbeats = patched


def _environment(password: str) -> dict[str, str]:
    return {**os.environ, **_SERVER_ENV, **closed(password, "http://127.0.0.1")}
