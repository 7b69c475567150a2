"""Files under a name of their own until they are complete, and what was left of some.

Whoever writes such a file has it locked, so that it is told, whatever the clock says, from what a
killed process left. Where the file system has no locks, nothing is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

LEFT_S = 3600.0
"""A part that nobody has locked was left behind if it was last changed so long ago."""
_PART = re.compile(r"\.(.*\.)?[0-9a-f]{32}\.part")


def make_folder(folder: Path) -> None:
    """Make a folder and those that it lies in, unless they are there.

    Raises:
        NotADirectoryError: It cannot be made; the words say what is in the way, where the system's
            say that a file is not there, or is.
        OSError: It may not be made, or its name cannot be one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as exc:
        raise NotADirectoryError(errno.ENOTDIR, _in_the_way(folder), str(folder)) from exc


def _in_the_way(folder: Path) -> str:
    """Why a folder cannot be made, in words."""
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if there.is_dir():
        return f"no folder can be made in {there}"
    if there.is_symlink():
        return f"{there} is a link to {there.readlink()}, which is not there"
    return f"{there} is no folder"


@contextlib.contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """A name beside ``target`` to write under; what is left there afterwards is removed.

    What killed processes left beside it goes first.

    Args:
        target: What the file is renamed to when it is complete; its folder is made.

    Raises:
        OSError: Its folder cannot be made (:func:`make_folder`).
    """
    make_folder(target.parent)
    remove_parts(target.parent.glob(".*.part"))
    # not made of the target's name, which may be as long as names can be
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def locked_part(part: Path) -> Iterator[Path]:
    """A part, made and locked; the lock goes with the process, however that ends."""
    with part.open("ab") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            _lock(file)
        yield part


def remove_parts(paths: Iterable[Path], *, now: float | None = None, dry_run: bool = False) -> int:
    """Remove parts that nobody writes any more.

    Args:
        paths: Files, of which those with other names are left alone.
        now: The time, in seconds since the epoch; unset: the clock's.
        dry_run: Whether to remove nothing.

    Returns:
        How many there were.
    """
    now, removed = time.time() if now is None else now, 0
    for path in paths:
        if _PART.fullmatch(path.name) is None:
            continue
        # gone already, another user's, or in use
        with contextlib.suppress(OSError), path.open("rb") as file:
            # a rename or another link changes this time as well, and nobody can set it
            if path.lstat().st_ctime > now - LEFT_S:
                continue
            _lock(file)
            if not dry_run:
                path.unlink()
            removed += 1
    return removed


def _lock(file: IO[bytes]) -> None:
    """Lock a file for whoever has it open.

    Raises:
        OSError: Somebody else has, or the file system has no locks.
    """
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
