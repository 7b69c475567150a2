"""Where bytes lie: one small interface over a local folder and S3 (:mod:`tasks.storage.s3`).

A key is a relative POSIX path; one that escapes the root is refused. An object is written
completely or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from configs.settings import Settings
from tasks.core.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Objects(Protocol):
    """A flat store of objects under one root."""

    root: str

    def put(self, key: str, source: Path) -> None:
        """Store a file's content under ``key``, replacing what is there."""

    def write(self, key: str, content: bytes) -> None:
        """Store ``content`` under ``key``, replacing what is there."""

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists; True if it was stored."""

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, None where there is no such object."""

    def local(self, key: str, folder: Path) -> Path:
        """A local file with the content of ``key``: the object itself, or a copy in ``folder``."""

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, None where there is no such object."""

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it; nothing there is no error."""


def checked(key: str) -> str:
    """``key``, if it stays below the root.

    Raises:
        StorageError: If it is empty, absolute, or climbs.
    """
    path = PurePosixPath(key)
    if not key or path.is_absolute() or ".." in path.parts or "\\" in key or "\0" in key:
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


def as_storage_error(location: str, error: OSError) -> StorageError:
    """The storage error that an error of the operating system, or of S3's client, stands for.

    Args:
        location: The path or address that was read or written.
        error: What was raised; its words are kept.
    """
    if isinstance(error, PermissionError) or error.errno in _DENIED:
        what, advice = f"access to {location} was refused", "Check rights and credentials"
        return storage_error("storage-denied", f"{what} ({error})", advice)
    if error.errno in _FULL:
        return storage_error(
            "disk-full",
            f"no space is left for {location} ({error})",
            "Free some space, or set TYRE3D_STORAGE or TYRE3D_HOME to a larger disk",
        )
    return storage_error("storage-failed", f"{location}: {error}", "Try again")


@contextlib.contextmanager
def storage_errors(location: str) -> Iterator[None]:
    """Translate errors of the operating system and of S3's client, once, at this boundary."""
    try:
        yield
    except OSError as exc:
        raise as_storage_error(location, exc) from exc


class LocalObjects:
    """Objects in a local folder."""

    def __init__(self, root: Path) -> None:
        self._folder = root.expanduser().absolute()
        self.root = str(self._folder)

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)

    def _temporary(self, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")

    def put(self, key: str, source: Path) -> None:
        """Store a file's content under ``key``; a file on the same disk is linked, not copied."""
        target = self._path(key)
        with storage_errors(str(target)):
            part = self._temporary(target)
            try:
                try:
                    os.link(source, part)
                except OSError:
                    part.write_bytes(source.read_bytes())
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _written(self, key: str, content: bytes) -> Iterator[tuple[Path, Path]]:
        target = self._path(key)
        with storage_errors(str(target)):
            part = self._temporary(target)
            try:
                with part.open("wb") as out:
                    out.write(content)
                    out.flush()
                    os.fsync(out.fileno())
                yield part, target
            finally:
                part.unlink(missing_ok=True)

    def write(self, key: str, content: bytes) -> None:
        """Store ``content`` under ``key``, replacing what is there."""
        with self._written(key, content) as (part, target):
            part.replace(target)

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists."""
        with self._written(key, content) as (part, target):
            try:
                os.link(part, target)
            except FileExistsError:
                return False
        return True

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, or None."""
        target = self._path(key)
        with storage_errors(str(target)):
            try:
                return target.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def local(self, key: str, folder: Path) -> Path:
        """The object's own file; ``folder`` is not used."""
        return self._path(key)

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        target = self._path(key)
        return target.stat().st_size if target.is_file() else None

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted; unfinished writes are not keys."""
        base = self._path(prefix)
        return sorted(
            p.relative_to(self._folder).as_posix()
            for p in base.rglob("*")
            if p.is_file() and not p.name.endswith(".part")
        )

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        base = self._path(prefix)
        with storage_errors(str(base)):
            if base.is_file():
                base.unlink(missing_ok=True)
                return
            for path in sorted(base.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            if base.is_dir():
                base.rmdir()


def missing(root: str, key: str) -> StorageError:
    """The error of an object that should be there."""
    return storage_error(
        "storage-missing", f"{root}/{key} is not there", "Run again; it is then made again"
    )


def open_objects(settings: Settings) -> Objects:
    """The objects that the settings name."""
    root = settings.storage_root
    if root.startswith("s3://"):
        from tasks.storage.s3 import S3Objects

        return S3Objects(root, settings)
    return LocalObjects(Path(root))
