"""Has a command run by a process that imported what it needs: that took most of a short run.

A command that used the local server leaves such a process behind (:mod:`flows.cli.warm_process`),
which ends with that server. The next command hands its arguments, environment, folder, standard
streams and signals over, if all that could make a difference is as it was when the process began:
source, packages, environment, limits, rights, priority. Otherwise it runs by itself. Imports
nothing heavy. Linux only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flows.support.kept_server import kept_server
from flows.support.own_server import own_server, prefect_home

ROOT = Path(__file__).parents[2]
_PACKAGES = ("configs", "flows", "tasks", "tsr")
_SOCKET_FILE = "tyre3d-ready.sock"
_OF_NO_ACCOUNT = {"_", "COLUMNS", "LINES", "NO_COLOR", "OLDPWD", "PWD", "SHLVL", "TERM", "WINDOWID"}
"""Variables that no import heeds; whoever is handed a command takes their values over."""
_FILES_OF_PREFECT = {"prefect.toml": "", ".env": "PREFECT_", "pyproject.toml": "[tool.prefect"}
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP}
_BEGAN_WITH = dict(os.environ)
"""The environment before a command adds to it."""


def circumstances() -> str:
    """The digest of all, but its arguments, that a command's behaviour may depend on."""
    import resource

    status = Path("/proc/self/status").read_text().splitlines()
    details = [
        str(ROOT),
        sorted(_sources(ROOT)),
        sys.executable,
        str(sys.flags),
        sorted(sys._xoptions.items()),
        _stamps(
            Path(folder) for folder in {os.__file__, *sys.path} if folder.endswith("-packages")
        ),
        _stamps([prefect_home() / "profiles.toml"]),
        sorted((k, v) for k, v in _BEGAN_WITH.items() if k not in _OF_NO_ACCOUNT),
        [line for line in status if line.startswith(("Uid", "Gid", "Groups", "Umask", "CapEff"))],
        Path("/proc/self/cgroup").read_text(),
        sorted(str(path.readlink()) for path in Path("/proc/self/ns").iterdir()),
        sorted(os.sched_getaffinity(0)),
        os.getpriority(os.PRIO_PROCESS, 0),
        [resource.getrlimit(number) for number in range(resource.RLIMIT_NOFILE + 1)],
        resource.getrlimit(resource.RLIMIT_AS),
    ]
    return hashlib.sha256(json.dumps(details).encode()).hexdigest()


def _sources(root: Path) -> Iterator[tuple[str, int, int]]:
    """Path, time of change and size of all files of this project that a process may have read."""
    waiting = [str(root / package) for package in _PACKAGES]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    if entry.name != "__pycache__":
                        waiting.append(entry.path)
                else:
                    status = entry.stat()
                    yield entry.path, status.st_mtime_ns, status.st_size


def _stamps(paths: Any) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in paths if path.exists())


def address() -> tuple[str, int]:
    """The name of the socket, short however long the folder's is; and what to close afterwards."""
    folder = os.open(prefect_home(), os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{folder}/{_SOCKET_FILE}", folder


def user_of(connection: socket.socket) -> int:
    """The user at the other end."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    return int(struct.unpack("3i", credentials)[1])


def hand_over(arguments: Sequence[str]) -> int | None:
    """Have a command run by the process that is ready for it.

    Args:
        arguments: A command that runs flows, and its arguments.

    Returns:
        Its exit code; None where it has to be run here.
    """
    if not _can_be_handed_over(arguments):
        return None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return _handed_over(arguments, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _can_be_handed_over(arguments: Sequence[str]) -> bool:
    """Whether a command would use the local server as it was started."""
    if sys.platform != "linux" or sys.gettrace():
        return False
    if any(argument.startswith("--v") for argument in arguments):
        return False
    if os.environ.get("PREFECT_API_URL") or own_server(alive=True):
        return False
    return kept_server() is not None and not _prefect_is_set_up_here()


def _prefect_is_set_up_here() -> bool:
    """Whether the working directory may change Prefect's settings."""
    for name, mark in _FILES_OF_PREFECT.items():
        try:
            if mark in Path(name).read_text(errors="replace"):
                return True
        except OSError:
            continue
    return False


def _handed_over(arguments: Sequence[str], unblocked: set[Any]) -> int | None:
    request = {
        "circumstances": circumstances(),
        "arguments": list(arguments),
        "environment": dict(os.environ),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            _connect(connection)
            folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
            try:
                socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2, folder])
            finally:
                os.close(folder)
            if connection.recv(1) != b"y":
                return None
        except OSError:  # there is none, it ends, or the arguments are too many for one message
            return None
        status = _exit_status(connection, unblocked)
    if not status:
        sys.stderr.write("tyre3d: [crashed] start: the process at work was killed. Run again\n")
        return 6
    code = os.waitstatus_to_exitcode(int(status))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _connect(connection: socket.socket) -> None:
    name, folder = address()
    try:
        connection.settimeout(5.0)
        connection.connect(name)
        connection.settimeout(None)
    finally:
        os.close(folder)
    if user_of(connection) != os.getuid():
        raise PermissionError("the socket is somebody else's")


def _exit_status(connection: socket.socket, unblocked: set[Any]) -> bytes:
    """What the process at work says of its end; it is told of the signals that come meanwhile.

    They are read from a pipe: where one comes just before a call that waits, Python runs its
    handler only after that call.

    Args:
        connection: To the process at work.
        unblocked: The signals that are blocked again while it works; all are until then.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:  # ignored ones stay so, but for a pause
        if number == signal.SIGTSTP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    while reader in select.select([reader, connection.fileno()], [], [])[0]:
        for came in os.read(reader, 64):
            _send_signal(connection, signal.SIGSTOP if came == signal.SIGTSTP else came)
            if came == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
                _send_signal(connection, signal.SIGCONT)
    return connection.recv(16)


def _send_signal(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the command has ended
        connection.send(bytes([number]))


def leave_one_ready(url: str) -> None:
    """Start a process that is ready for the next command; it ends at once if there is one.

    Args:
        url: The local server's address.
    """
    home = Path(_BEGAN_WITH.get("PREFECT_HOME") or "~/.prefect").expanduser()
    if sys.platform != "linux" or home != prefect_home():
        return
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    subprocess.Popen(
        [sys.executable, *flags, "-m", "flows.cli.warm_process", url],
        env=_BEGAN_WITH,
        cwd=ROOT,  # the source that is imported is this one
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
