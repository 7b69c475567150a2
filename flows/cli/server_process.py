"""The local Prefect server's process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import version as package_version
from pathlib import Path
from typing import IO

import uvicorn

from flows.support.own_server import prefect_home


class _Server(uvicorn.Server):
    """Lets the next one start once this one has made the database and serves."""

    made: Path | None = None
    turn: IO[str] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then mark the database as made."""
        await super().startup(sockets)
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
    """Serve on the port that is given as the only argument."""
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="critical",
        lifespan="on",
    )
    server = _Server(config)
    made = prefect_home() / f".tyre3d-database-{package_version('prefect')}"
    if made.exists() or os.environ.get("PREFECT_API_DATABASE_CONNECTION_URL"):
        server.run()
        return
    with _turn(made.parent) as turn:
        server.made, server.turn = made, turn
        server.run()


if __name__ == "__main__":
    main()
