"""A Prefect server for the time of one command, where no other is configured.

Prefect would start one by itself, but only when the first flow runs, and wait for it. Here it is
started first of all, so that it comes up while weights and the input are looked at.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tasks.core.errors import ResourceError
from tasks.core.processes import start_child

_READY_WITHIN_S = 300.0
_DEFAULT_URL = "http://127.0.0.1:4200/api"
_SERVER_ENV = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_SERVER_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}


def configured() -> bool:
    """Whether the user chose a server, in the environment or in a profile of Prefect."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        text = path.read_text()
    except OSError:
        return False
    import tomllib

    try:
        profiles = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    name = os.environ.get("PREFECT_PROFILE") or profiles.get("active", "")
    return "PREFECT_API_URL" in profiles.get("profiles", {}).get(name, {})


def _answers(url: str, timeout_s: float = 2.0) -> bool:
    """Whether a Prefect server is ready there; ``/health`` answers before its database can."""
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=timeout_s) as answer:
            return answer.status == 200 and "message" in json.load(answer)
    except (OSError, ValueError):
        return False


class LocalServer:
    """The server of this command; does nothing where one is configured or runs already."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def start(self) -> None:
        """Start it and return at once."""
        if configured():
            return
        if _answers(_DEFAULT_URL, timeout_s=0.5):
            os.environ["PREFECT_API_URL"] = _DEFAULT_URL
            return
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}/api"
        self._process = start_child(
            "flows.cli.server_process",
            str(port),
            env={**os.environ, **_SERVER_ENV},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.environ["PREFECT_API_URL"] = self._url

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            ResourceError: If it does not come up.
        """
        if self._process is None:
            return
        # Prefect imports it with its first flow; here it costs nothing, as the server starts.
        importlib.import_module("fastapi.encoders")
        end = time.monotonic() + _READY_WITHIN_S
        while not _answers(self._url):
            if self._process.poll() is not None or time.monotonic() > end:
                raise ResourceError(
                    "server-start",
                    stage="start",
                    what="Prefect's local server does not start",
                    advice="Run: prefect server start, and see what it says",
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, if this object started it."""
        if self._process is None:
            return
        if "prefect" in sys.modules:
            from prefect.logging.handlers import APILogHandler

            APILogHandler().flush()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
