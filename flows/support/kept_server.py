"""The local server that stays up for a while after a command: where it is, and who uses it.

A command starts it and leaves it to the next ones, which are spared its start of some seconds. It
ends when nobody has used it for long. All that is known of it are two locks, which the system
releases whatever becomes of a process: it holds its place for as long as it lives, and whoever
uses it shares the lease. Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from flows.support.own_server import locked, prefect_home

LOG_FILE = "tyre3d-local.log"
"""In ``$PREFECT_HOME``: what the server says."""
_ADDRESS_FILE = "tyre3d-local.json"
_LEASE_FILE = "tyre3d-local.lease"
_SERVER_VARIABLES = ("PREFECT_SERVER_", "PREFECT_API_DATABASE_")
_LOOK_S = 1.0


def kind() -> str:
    """What tells servers apart that cannot stand for each other: release, environment, settings."""
    from importlib.metadata import version  # a fifth of the time of `tyre3d --help`, unused there

    settings = {k: v for k, v in os.environ.items() if k.startswith(_SERVER_VARIABLES)}
    for name in ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"):
        settings.pop(name, None)
    details = [version("prefect"), sys.prefix, sorted(settings.items())]
    return hashlib.sha256(json.dumps(details).encode()).hexdigest()[:16]


class Lease:
    """The right to find the server alive until it is returned, or this process ends."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls) -> Lease:
        """Share the lease.

        Raises:
            OSError: Its file cannot be written or locked here.
        """
        prefect_home().mkdir(parents=True, exist_ok=True)
        file = _lease_file().open("a")
        try:
            # waits for moments only: the server looks whether it is used, or withdraws
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError:
            file.close()
            raise
        return cls(file)

    def give_back(self) -> None:
        """Let the server end."""
        self._file.close()


def _lease_file() -> Path:
    return prefect_home() / _LEASE_FILE


def _address_file() -> Path:
    return prefect_home() / _ADDRESS_FILE


@contextlib.contextmanager
def kept_server_lock(url: str, of_kind: str) -> Iterator[bool]:
    """State that this process is the server that is kept.

    Args:
        url: The address of its API.
        of_kind: From :func:`kind`, as whoever started it saw it.

    Returns:
        A context whose value is false where another one is kept.
    """
    with _address_file().open("a+") as file:
        if not locked(file.fileno()):
            yield False
            return
        file.truncate(0)
        file.write(json.dumps({"url": url, "kind": of_kind}))
        file.flush()
        yield True


def kept_server() -> tuple[str, str] | None:
    """Address and kind of the server that is kept, None where none is alive."""
    try:
        with _address_file().open() as file:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            record = json.load(file)
            return str(record["url"]), str(record["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def wait_until_unused(idle_s: float, is_enough: Callable[[], bool]) -> None:
    """Return once nobody has used the server for so long; it is withdrawn before.

    Args:
        idle_s: How long.
        is_enough: Says whether it shall end as soon as nobody uses it.
    """
    used_at = time.monotonic()
    try:
        mine = _address_file().stat().st_ino
        while True:
            time.sleep(_LOOK_S)
            if _address_file().stat().st_ino != mine:
                return  # its folder was cleared, and another has taken its place
            with _lease_file().open("a") as file:
                if not locked(file.fileno()):
                    used_at = time.monotonic()
                elif time.monotonic() >= used_at + idle_s or is_enough():
                    _address_file().unlink()  # whoever takes the lease from now on finds no server
                    return
    except OSError:
        return  # likewise, and none has
