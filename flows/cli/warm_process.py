"""The process that has imported what commands need, and runs them in copies of itself."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flows.cli import stopping
from flows.cli.warm_start import SIGNALS, address, circumstances, user_of
from flows.support.kept_server import kept_server
from flows.support.own_server import locked, own_password, prefect_home

_LOCK_FILE = "tyre3d-ready.lock"
_IMPORTED = (
    "flows.reconstruct",
    "flows.cli.commands",
    "flows.support.stage_times",
    "flows.cli.progress",
    "anyio._backends._asyncio",
    "fastapi.encoders",
    "prefect.concurrency.v1",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "tasks.storage.local",
    "tasks.video.container",
    "tqdm.contrib.logging",
)
_LOOK_S = 1.0
_LONGEST = 1 << 20
"""Bytes of a message; the system's limit is lower."""


def main() -> None:
    """Be ready until the local server, whose address is the argument, ends."""
    url = sys.argv[1]
    digest = circumstances()
    os.chdir(prefect_home())
    with (prefect_home() / _LOCK_FILE).open("a") as file:
        if not locked(file.fileno()):
            return  # another one is ready, or soon will be
        _import(url)
        if threading.active_count() > 1:
            return  # a copy would lack the other threads
        with listening() as listener:
            serve(listener, digest, run_command, lambda: (kept_server() or ("",))[0] != url)


def _import(url: str) -> None:
    """Import what commands do, as they would: with the same environment."""
    environment = dict(os.environ)
    from configs.settings import Settings
    from flows.cli.commands import prepare

    prepare(Settings(), verbose=False)
    os.environ["PREFECT_API_URL"] = url
    os.environ["PREFECT_API_AUTH_STRING"] = own_password()
    for name in _IMPORTED:
        importlib.import_module(name)
    from tasks.stages.stage import Stage

    for value in vars(sys.modules["flows.reconstruct"]).values():
        if isinstance(value, Stage):
            _ = value.version  # reads all its source
    os.environ.clear()
    os.environ.update(environment)


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """The socket that commands come to; its name is gone afterwards."""
    name, folder = address()
    path = Path(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        path.unlink(missing_ok=True)
        before = os.umask(0o077)
        listener.bind(name)
        os.umask(before)
        listener.listen()
        mine = path.stat().st_ino
        try:
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == mine:
                    path.unlink()
            os.close(folder)


def serve(
    listener: socket.socket,
    digest: str,
    run: Callable[[list[str]], int],
    is_over: Callable[[], bool],
) -> None:
    """Run the commands that come, each in a copy of this process.

    Args:
        listener: Where they come.
        digest: The circumstances of this process; a command in others ends it, that another may be
            started, and is refused.
        run: Runs a command; called in the copy.
        is_over: Whether none is expected any more; asked every second.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # copies are not waited for
    gc.collect()
    gc.freeze()  # copies share the memory for longer
    while True:
        if not select.select([listener], [], [], _LOOK_S)[0]:
            if is_over():
                return
            continue
        with listener.accept()[0] as connection:
            try:
                message, files, _, _ = socket.recv_fds(connection, _LONGEST, 4)
                request = json.loads(message)
            except (OSError, ValueError):
                continue
            if user_of(connection) != os.getuid() or len(files) != 4:
                continue
            if request["circumstances"] != digest:
                return
            if os.fork() == 0:
                try:
                    _close_all_but({connection.fileno(), *files})
                    _attend(connection, request, files, run)
                finally:  # whatever fails, a copy does not go on as the original
                    os._exit(1)
            for number in files:
                os.close(number)


def _close_all_but(kept: set[int]) -> None:
    """Let go of what the process that is ready holds: a copy may outlive it."""
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in kept:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(number)


def _attend(
    connection: socket.socket, request: Any, files: list[int], run: Callable[[list[str]], int]
) -> None:
    """Run a command in one more copy, hand signals to it, and tell how it ended; never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until they are handled as a command's are
    worker = os.fork()
    if worker == 0:
        connection.close()
        _run(request, files, run)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for number in files:
        os.close(number)
    ended = os.pidfd_open(worker)
    asking = connection.fileno()
    try:
        connection.send(b"y")
        while ended not in select.select([asking, ended], [], [])[0]:
            os.kill(worker, connection.recv(1)[0])
    except (IndexError, OSError):  # end of file, or reset: whoever asked is gone
        os.kill(worker, signal.SIGKILL)
    with contextlib.suppress(OSError):
        connection.send(str(os.waitpid(worker, 0)[1]).encode())
    os._exit(0)


def _run(request: Any, files: list[int], run: Callable[[list[str]], int]) -> None:
    """Take over what belongs to a command, and run it; never returns."""
    code = 1
    try:
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
        os.fchdir(files[3])
        for file in files:
            os.close(file)
        os.environ.clear()
        os.environ.update(request["environment"])
        for known in SIGNALS:  # a job in the background, which may have left us, ignores some
            signal.signal(known, signal.SIG_DFL)
        stopping.at_once()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        code = run(request["arguments"])
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        if isinstance(exc.code, str):
            sys.stderr.write(f"{exc.code}\n")
    except BaseException:  # noqa: BLE001  as Python itself does
        traceback.print_exc()
    finally:
        _end(code)


def _end(code: int) -> None:
    from flows.cli.main import end

    end(code)


def run_command(arguments: list[str]) -> int:
    """Run ``tyre3d`` with these arguments."""
    from flows.cli.main import main as tyre3d

    sys.argv[1:] = arguments
    return tyre3d()


if __name__ == "__main__":
    main()
