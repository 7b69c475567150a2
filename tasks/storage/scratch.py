"""Folders to work in, told apart from those that killed processes left behind."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tasks.storage.base import storage_errors
from tasks.storage.partial_files import make_folder

_LOCK = ".lock"
_UNKNOWN_S = 2 * 24 * 3600.0
"""A folder that no lock tells of is left behind if it was last changed so long ago."""


@contextlib.contextmanager
def working_folder(parent: Path, purpose: str) -> Iterator[Path]:
    """A fresh folder, removed afterwards; if its process is killed, by the next sweep.

    A file beside it is locked for as long as the process lives.

    Args:
        parent: Where it is made.
        purpose: The beginning of its name.
    """
    folder = parent / f"{purpose}-{uuid.uuid4().hex}"
    lock = parent / f"{folder.name}{_LOCK}"
    with storage_errors(str(parent)):
        make_folder(parent)
        file = lock.open("w")
    with file:
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            with storage_errors(str(parent)):
                folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def sweep(parent: Path, *, purpose: str = "", keep: str = "", now: float | None = None) -> int:
    """Remove working folders whose processes are gone.

    Args:
        parent: Where they were made.
        purpose: The beginning of their names; empty: all are taken for working folders.
        keep: Name of a folder there that is none.
        now: The time, in seconds since the epoch; unset: the clock's.

    Returns:
        How many were removed.
    """
    if not parent.is_dir():
        return 0
    now = time.time() if now is None else now
    removed = 0
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            is_lock = path.name.endswith(_LOCK)
            named = path.name.startswith(purpose) and path.name != keep
            if not named or (is_lock and path.with_suffix("").is_dir()):
                continue
            lock = path if is_lock else path.with_name(f"{path.name}{_LOCK}")
            if not _is_left(lock, path, now):
                continue
            shutil.rmtree(path, ignore_errors=True)
            lock.unlink(missing_ok=True)
            removed += not is_lock
    return removed


def _is_left(lock: Path, path: Path, now: float) -> bool:
    """Whether nobody works here any more.

    Raises:
        OSError: It is gone already, or the file system has no locks.
    """
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # a lock without a folder may be about to get one
            return path != lock or lock.stat().st_mtime < now - _UNKNOWN_S
    except FileNotFoundError:
        return path.stat().st_mtime < now - _UNKNOWN_S
    except BlockingIOError:
        return False
