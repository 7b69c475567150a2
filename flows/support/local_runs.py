"""Runs of this machine's commands, noted so that those whose process was killed can be ended.

Nobody says of such a run that it has ended, and where no worker runs nobody ever looks: it would
stay Running for ever. So a run that no deployment started has a file in Prefect's folder, locked
for as long as its process lives; the system releases the lock however that ends. The next command,
or ``tyre3d ui``, ends the runs whose files nobody has locked. Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID

from flows.support.own_server import is_loopback, own_server, prefect_home, same_server

_FOLDER = "tyre3d-runs"
"""In ``$PREFECT_HOME``: a file a run, named by its id, with the name of its host."""
_LOOK_S = 1.0
_log = logging.getLogger("tyre3d")


@contextlib.contextmanager
def noted_run() -> Iterator[None]:
    """Within this block the flow's run is known to be at work.

    Runs of deployments have workers that look after them, and runs of a server elsewhere its watch:
    they are not noted.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    with contextlib.ExitStack() as noted:
        if run is not None and run.deployment_id is None and _is_served_here():
            with contextlib.suppress(OSError):  # a folder without locks, or that is full
                noted.enter_context(_note(run.id))
        yield


def _is_served_here() -> bool:
    """Whether Prefect's server is one of this machine."""
    url, own = os.environ.get("PREFECT_API_URL", ""), own_server(alive=True)
    return is_loopback(url) or (own is not None and same_server(own, url))


@contextlib.contextmanager
def _note(run_id: UUID) -> Iterator[None]:
    path = prefect_home() / _FOLDER / str(run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(
                socket.gethostname()
            )  # once it is locked: who finds it empty leaves it alone
            file.flush()
            yield
        finally:
            path.unlink(missing_ok=True)


def any_noted() -> bool:
    """Whether there may be runs to end; takes no time."""
    with contextlib.suppress(OSError):
        return _is_served_here() and any((prefect_home() / _FOLDER).iterdir())
    return False


@contextlib.contextmanager
def _lost() -> Iterator[dict[UUID, Path]]:
    """The notes of runs of this host whose processes are gone; no other command takes them."""
    found: dict[UUID, Path] = {}
    with contextlib.ExitStack() as opened:
        for path in sorted((prefect_home() / _FOLDER).iterdir()):
            # gone meanwhile, of a living process, or no note of ours
            with contextlib.suppress(OSError, ValueError):
                run_id = UUID(path.name)
                file: IO[str] = opened.enter_context(path.open("r+"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unlinked = os.fstat(file.fileno()).st_nlink == 0  # it ended while we looked
                if not unlinked and file.read() == socket.gethostname():
                    found[run_id] = path
        yield found


def end_lost_runs(within_s: float = 0.0) -> list[UUID]:
    """End the runs whose processes are gone, as far as they have not ended; returns these.

    Whatever fails, the next command tries again.

    Args:
        within_s: How long a server that is just starting is waited for.
    """
    end = time.monotonic() + within_s
    try:
        with _lost() as found:
            return [run_id for run_id, path in found.items() if _end(run_id, path, end)]
    except Exception as exc:  # noqa: BLE001  whatever the server says, the command goes on
        _log.debug("lost runs could not be ended: %r", exc)
        return []


def _end(run_id: UUID, note: Path, end: float) -> bool:
    """Say that a run has ended; whether it had not."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from flows.support.lost_runs import end_of

    ended = False
    with get_client(sync_client=True) as client:
        while True:
            try:
                run = client.read_flow_run(run_id)
                if run.state is None or not run.state.is_final():
                    why = "Its process was killed: nobody works on it any more"
                    client.set_flow_run_state(run_id, end_of(run, why))
                    ended = True
            except ObjectNotFound:  # deleted, or of another database
                pass
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
                time.sleep(_LOOK_S)
                continue
            note.unlink(missing_ok=True)
            return ended
