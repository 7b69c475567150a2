"""Where bytes lie: one small interface over a local folder, S3 and (for tests) memory.

A key is a relative POSIX path; one that escapes the root is refused. An object is written
completely or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from configs.settings import Settings
from tasks.errors import StorageError

_log = logging.getLogger("tyre3d.storage")
_T = TypeVar("_T")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PAUSE_S = (0.5, 10.0)
"""First and longest pause before S3 is asked again."""


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
        raise _final(
            "storage-key", f"the key {key!r} leaves the root of the storage", "Use relative keys"
        )
    return str(path)


def _final(code: str, what: str, advice: str) -> StorageError:
    """A storage error that a retry cannot mend."""
    error = StorageError(code, stage="storage", what=what, advice=advice)
    error.retryable = False
    return error


@contextlib.contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Translate errors of the operating system and of S3 clients, once, at this boundary."""
    try:
        yield
    except StorageError:
        raise
    except PermissionError as exc:
        raise _final(
            "storage-denied", f"access to {place} was refused", "Check rights and credentials"
        ) from exc
    except OSError as exc:
        if exc.errno in _FULL:
            raise _final(
                "disk-full",
                f"no space is left for {place}",
                "Free some space, or set TYRE3D_STORAGE or TYRE3D_HOME to a larger disk",
            ) from exc
        raise StorageError(
            "storage-failed", stage="storage", what=f"{place}: {exc}", advice="Try again"
        ) from exc


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


class MemoryObjects:
    """Objects in memory: the fake for tests."""

    def __init__(self, root: str = "memory://objects") -> None:
        self.root = root
        self.content: dict[str, bytes] = {}

    def put(self, key: str, source: Path) -> None:
        """Store a file's content."""
        self.content[checked(key)] = source.read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Store ``content`` under ``key``, replacing what is there."""
        self.content[checked(key)] = content

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists."""
        key = checked(key)
        stored = self.content.setdefault(key, content)
        return stored is content

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, or None."""
        return self.content.get(checked(key))

    def local(self, key: str, folder: Path) -> Path:
        """A copy in ``folder``."""
        content = self.content.get(checked(key))
        if content is None:
            raise _missing(self.root, key)
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        content = self.content.get(checked(key))
        return None if content is None else len(content)

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        base = checked(prefix).rstrip("/") + "/"
        return sorted(k for k in self.content if k.startswith(base))

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        for key in [*self.keys(prefix), checked(prefix)]:
            self.content.pop(key, None)


def _missing(root: str, key: str) -> StorageError:
    return _final(
        "storage-missing", f"{root}/{key} is not there", "Run again; it is then made again"
    )


class S3Objects:
    """Objects in a bucket, through s3fs; any endpoint that speaks S3."""

    def __init__(self, root: str, settings: Settings) -> None:
        import s3fs

        self.root = root.rstrip("/")
        self._base = self.root.removeprefix("s3://")
        self._patience_s = settings.s3_patience_s
        secret = settings.s3_secret_key
        access = settings.s3_access_key
        self._fs: Any = s3fs.S3FileSystem(
            key=access.get_secret_value() if access else None,
            secret=secret.get_secret_value() if secret else None,
            client_kwargs={"region_name": settings.s3_region} if settings.s3_region else None,
            endpoint_url=settings.s3_endpoint_url,
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": settings.s3_timeout_s,
                "read_timeout": settings.s3_timeout_s,
                "retries": {"max_attempts": settings.s3_attempts, "mode": "standard"},
            },
        )

    def _path(self, key: str) -> str:
        return f"{self._base}/{checked(key)}"

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        with storage_errors(f"{self.root}/{key}"):
            try:
                yield
            except FileNotFoundError as exc:
                if _code(exc) == "NoSuchBucket":
                    raise _final(
                        "storage-missing",
                        f"there is no bucket {self._base.partition('/')[0]}",
                        "Create it, or mend the s3:// address",
                    ) from exc
                raise _missing(self.root, key) from exc
            except (BotoCoreError, ClientError, TimeoutError) as exc:
                raise OSError(str(exc)) from exc

    def _ask(self, key: str, ask: Callable[[], _T]) -> _T:
        """What ``ask`` returns; asked again, in growing pauses, while S3 does not answer.

        s3fs and botocore try a few times within seconds; this bridges a service that restarts.
        """
        end = time.monotonic() + self._patience_s
        pause_s, longest_s = _PAUSE_S
        while True:
            try:
                with self._errors(key):
                    return ask()
            except StorageError as exc:
                if not exc.retryable or time.monotonic() + pause_s > end:
                    raise
                _log.warning("%s; asking again", exc.what)
            time.sleep(pause_s * random.uniform(0.7, 1.0))  # so that many do not ask at once
            pause_s = min(2 * pause_s, longest_s)

    def put(self, key: str, source: Path) -> None:
        """Store a file's content; large files go up in parts and appear when complete."""
        path = self._path(key)
        self._ask(key, lambda: self._fs.put_file(str(source), path))

    def write(self, key: str, content: bytes) -> None:
        """Store ``content`` under ``key``, replacing what is there."""
        path = self._path(key)
        self._ask(key, lambda: self._fs.pipe_file(path, content))

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists (a conditional write)."""
        path = self._path(key)

        def ask() -> bool:
            try:
                self._fs.pipe_file(path, content, mode="create")
            except OSError as exc:
                if isinstance(exc, FileExistsError) or _code(exc) == "PreconditionFailed":
                    return False
                if _code(exc) != "NotImplemented":
                    raise
                # A service without conditional writes: two writers may both store the same key,
                # and the last one stays.
                if self._fs.exists(path):
                    return False
                self._fs.pipe_file(path, content)
            return True

        return self._ask(key, ask)

    def _unless_missing(self, key: str, ask: Callable[[], _T]) -> _T | None:
        """What ``ask`` returns; None where there is no such object (but a bucket there must be)."""

        def look() -> _T | None:
            try:
                return ask()
            except FileNotFoundError as exc:
                if _code(exc) == "NoSuchBucket":
                    raise
                return None

        return self._ask(key, look)

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, or None."""
        path = self._path(key)
        return self._unless_missing(key, lambda: bytes(self._fs.cat_file(path)))

    def local(self, key: str, folder: Path) -> Path:
        """A copy in ``folder``."""
        path, target = self._path(key), folder / checked(key)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")

        def ask() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fs.get_file(path, str(part))
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

        self._ask(key, ask)
        return target

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        info = self._info(key)
        return int(info["size"]) if info is not None else None

    def mark(self, key: str) -> str | None:
        """What changes when the content of ``key`` does (its ETag and size), or None."""
        info = self._info(key)
        return f"{info['ETag']}:{info['size']}" if info is not None else None

    def _info(self, key: str) -> dict[str, Any] | None:
        path = self._path(key)
        info = self._unless_missing(key, lambda: dict(self._fs.info(path)))
        return info if info is not None and info["type"] == "file" else None

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        path = self._path(prefix)
        found: list[str] = self._ask(prefix, lambda: self._fs.find(path))
        return sorted(p.removeprefix(self._base + "/") for p in found)

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        path = self._path(prefix)

        def ask() -> None:
            paths = self._fs.find(path)
            if paths:
                self._fs.rm(paths)

        self._ask(prefix, ask)

    def abort_uploads(self, before: float) -> int:
        """Abort multi-part uploads that killed processes left behind; they cost, and show nowhere.

        Args:
            before: Those begun before this time (seconds since the epoch) are leftovers.

        Returns:
            How many there were.
        """
        bucket, _, prefix = self._base.partition("/")

        def ask() -> int:
            told = self._fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix)
            old = [u for u in told.get("Uploads", []) if u["Initiated"].timestamp() < before]
            for upload in old:
                self._fs.call_s3(
                    "abort_multipart_upload",
                    Bucket=bucket,
                    Key=upload["Key"],
                    UploadId=upload["UploadId"],
                )
            return len(old)

        return self._ask(prefix, ask)


def _code(error: BaseException) -> str:
    """S3's own code of an error that s3fs translated; services differ in what it becomes."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def open_objects(settings: Settings) -> Objects:
    """The objects that the settings name."""
    root = settings.storage_root
    if root.startswith("s3://"):
        return S3Objects(root, settings)
    return LocalObjects(Path(root))
