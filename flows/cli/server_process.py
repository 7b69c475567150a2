"""The local Prefect server's process."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version as package_version
from pathlib import Path
from typing import IO

import uvicorn

from flows.support.garbage import collect_in_a_thread
from flows.support.kept_server import kept_server_lock, wait_until_unused
from flows.support.new_database import make_own_database
from flows.support.own_server import own_server, prefect_home


class _Server(uvicorn.Server):
    """Lets the next one start once this one has made the database and serves."""

    made: Path | None = None
    turn: IO[str] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, with a database if need be, then mark it as made."""
        make_own_database()
        await super().startup(sockets)
        gc.freeze()  # what was imported stays, and need not be looked through any more
        collect_in_a_thread()
        if self.made is not None and self.turn is not None:
            self.made.touch()
            self.turn.close()


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[IO[str]]:
    """Wait for one's turn to start: several that make one database at once spoil it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".tyre3d-start.lock").open("w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def main() -> None:
    """Serve on the port that is given, or be the server that is kept: ``keep SECONDS KIND``."""
    gc.disable()  # until it serves: a quarter of its imports' time was spent looking for garbage
    # the check of one kind of address, which no run needs, takes a second to import
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    if sys.argv[1] == "keep":
        _keep(float(sys.argv[2]), sys.argv[3])
    else:
        _serve("127.0.0.1", int(sys.argv[1]))


def _keep(idle_s: float, of_kind: str) -> None:
    """Serve until nobody has used this server for so long."""
    with contextlib.closing(free_port()) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        with kept_server_lock(url, of_kind) as kept:
            if kept:
                threading.Thread(target=_end_unused, args=(idle_s,), daemon=True).start()
                _serve("127.0.0.1", 0, [listening])


def free_port() -> socket.socket:
    """A socket bound to a port of this machine that was free."""
    # where the protocol is not named, asyncio lets answers wait (Nagle): each took 40 ms more
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    return bound


def _end_unused(idle_s: float) -> None:
    wait_until_unused(idle_s, lambda: own_server(alive=True) is not None)
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(host: str, port: int, sockets: list[socket.socket] | None = None) -> None:
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        host=host,
        port=port,
        log_level="critical",
        lifespan="on",
    )
    server = _Server(config)
    made = prefect_home() / f".tyre3d-database-{package_version('prefect')}"
    if made.exists() or os.environ.get("PREFECT_API_DATABASE_CONNECTION_URL"):
        server.run(sockets)
        return
    with _turn(made.parent) as turn:
        server.made, server.turn = made, turn
        server.run(sockets)


if __name__ == "__main__":
    main()
