"""Where bytes lie: one interface over a local folder and S3, and the errors that both raise.

A key is a relative POSIX path; one that escapes the root is refused. An object is written
completely or not at all.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from tasks.core.errors import StorageError, says_disk_full

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_MISPLACED = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)


@dataclass(frozen=True)
class Stored:
    """An object: its key, its bytes, and when it was last used (seconds since the epoch)."""

    key: str
    size: int
    used_at: float


class Storage(Protocol):
    """A flat store of objects under one root."""

    root: str

    def put(self, key: str, source: Path) -> None:
        """Store a file's content under ``key``, replacing what is there."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store contents by key in this order, replacing what is there, each completely or not."""

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists; True if it was stored."""

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, None where there is no such object."""

    def local(self, key: str, folder: Path) -> Path:
        """A local file with the content of ``key``: the object itself, or a copy in ``folder``.

        Raises:
            StorageError: ``storage-missing`` where there is no such object and a copy is needed.
        """

    def local_tree(self, key: str, folder: Path, suffixes: Collection[str]) -> Path:
        """A local file or folder with what lies at ``key``.

        Args:
            key: The key of an object, or the prefix of several.
            folder: Where copies go, if any are needed.
            suffixes: With a prefix, only objects right below it whose lower-case suffix is one of
                these are copied.

        Returns:
            Its path; nothing is there if nothing lies at ``key``.
        """

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, None where there is no such object."""

    def mark(self, key: str) -> str | None:
        """What changes when the content of ``key`` does, None where there is no such object."""

    def web_address(self, key: str, content_type: str) -> str | None:
        """Where a browser may fetch ``key`` for a week, None where nothing serves it."""

    def upload_address(self, key: str, size: int, seconds: int) -> str | None:
        """Where others may store ``key`` by HTTP, with so many bytes; None where nothing takes it.

        Args:
            key: The key.
            size: Bytes of its content, neither more nor fewer.
            seconds: How long.
        """

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""

    def listing(self, prefix: str) -> list[Stored]:
        """All objects below ``prefix``, by key."""

    def touch(self, key: str) -> None:
        """Note that ``key`` is in use now, where that can be noted; nothing there is no error.

        It is in use for as long as this object lives.
        """

    def in_use(self, key: str) -> bool:
        """Whether another has noted that ``key`` is in use, where that can be told by a lock."""

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it; nothing there is no error."""

    def check_writable(self, key: str) -> None:
        """Make sure that ``key`` can be written.

        Raises:
            StorageError: If it cannot; the cause says why.
        """

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Lock the root for one process of this machine, where that is possible.

        The lock goes with the process, however that ends.

        Args:
            name: What is locked: locks of different names do not exclude each other.

        Returns:
            A context whose value is false where another process has the lock.
        """

    def abort_uploads(self, before: float) -> int:
        """Abort uploads that killed processes left unfinished; they cost, and show nowhere.

        Args:
            before: Those begun before this time (seconds since the epoch) are leftovers.

        Returns:
            How many there were.
        """

    def remove_parts(self, *, dry_run: bool = False) -> int:
        """Remove files that killed processes left half-written, anywhere below the root.

        Args:
            dry_run: Whether to remove nothing.

        Returns:
            How many there were.
        """

    def working_folder(self, default: Path) -> Path:
        """Where stages work: on the disk that they publish to, or else ``default``."""


def checked(key: str) -> str:
    """``key``, if it stays below the root.

    Raises:
        StorageError: If it is empty, absolute, or climbs.
    """
    path = PurePosixPath(key)
    as_windows = PurePosixPath(key.replace("\\", "/"))
    if not key or as_windows.is_absolute() or ".." in as_windows.parts or "\0" in key:
        raise storage_error(
            "storage-key", f"the key {key!r} leaves the root of the storage", "Use relative keys"
        )
    return str(path)


def storage_error(code: str, what: str, advice: str) -> StorageError:
    """An error of the storage itself, whichever stage used it."""
    return StorageError(code, stage="storage", what=what, advice=advice)


def is_disk_error(error: BaseException | None) -> bool:
    """Whether an error is that of a disk which is full or may not be written, not of a network."""
    return isinstance(error, OSError) and error.errno in _FULL + _DENIED


def disk_error(error: BaseException) -> StorageError | None:
    """What an error that nobody translated says of a disk, wherever it was met; else None."""
    if isinstance(error, OSError) and is_disk_error(error):
        return as_storage_error(str(error.filename or "a file"), error)
    return None


def as_storage_error(location: str, error: OSError) -> StorageError:
    """The storage error that an error of the operating system, or of S3's client, stands for.

    Args:
        location: The path or address that was read or written.
        error: What was raised; its words are kept.
    """
    if isinstance(error, PermissionError) or error.errno in _DENIED:
        what, advice = f"access to {location} was refused", "Check rights and credentials"
        if error.filename is not None:  # a file of this machine, not an object of S3
            advice = "Let this user read and write there, or set TYRE3D_HOME to another folder"
        return storage_error("storage-denied", f"{what} ({error})", advice)
    if error.errno in _FULL:
        return storage_error(
            "disk-full",
            f"no space is left for {location} ({error})",
            "Free some space, or set TYRE3D_STORAGE or TYRE3D_HOME to a larger disk",
        )
    if error.errno in _MISPLACED:
        what = f"{location} cannot be a file or a folder there ({error})"
        advice = "Choose another path: with --out, or by TYRE3D_STORAGE or TYRE3D_HOME"
        return storage_error("storage-path", what, advice)
    return storage_error("storage-failed", f"{location}: {error}", "Try again")


@contextlib.contextmanager
def storage_errors(location: str) -> Iterator[None]:
    """Translate errors of the operating system and of S3's client, once, at this boundary."""
    try:
        yield
    except OSError as exc:
        raise as_storage_error(location, exc) from exc


@contextlib.contextmanager
def disk_full_errors(location: str) -> Iterator[None]:
    """Translate what libraries of native code raise where a disk is full: they name no number."""
    try:
        yield
    except StorageError:
        raise
    except Exception as exc:
        if not says_disk_full(str(exc)):
            raise
        raise as_storage_error(location, OSError(errno.ENOSPC, str(exc))) from exc


def missing(root: str, key: str) -> StorageError:
    """The error of an object that should be there."""
    return storage_error(
        "storage-missing", f"{root}/{key} is not there", "Run again; it is then made again"
    )
