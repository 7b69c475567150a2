"""Storage in a bucket, through s3fs."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from configs.settings import Settings
from tasks.core.errors import StorageError
from tasks.storage.base import Stored, checked, missing, storage_error, storage_errors
from tasks.storage.partial_files import locked_part, part_of

_log = logging.getLogger("tyre3d.storage")
_T = TypeVar("_T")
_TOUCHED_EVERY_S = 3600.0
_DELETED_AT_ONCE = 1000
_SIGNED_FOR_S = 7 * 24 * 3600
"""No signature of S3 holds longer."""
_NOT_LET_IN = (
    *("AuthorizationHeaderMalformed", "InvalidToken", "TokenRefreshRequired"),
    "400",
)
"""Codes of keys, tokens or regions that will not do, which s3fs takes for bad arguments.

To a request for an object's head S3 gives no code but the status: of a token that has expired, 400.
"""
_PAUSE_S = (0.5, 10.0)
"""First and longest pause before a request is repeated."""


class S3Storage:
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
                "signature_version": "s3v4",  # else addresses would be signed in a way that is old
                "connect_timeout": settings.s3_timeout_s,
                "read_timeout": settings.s3_timeout_s,
                "retries": {"max_attempts": settings.s3_attempts, "mode": "standard"},
            },
        )

    def _path(self, key: str) -> str:
        return f"{self._base}/{checked(key)}"

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        with storage_errors(f"{self.root}/{key}"):
            try:
                yield
            except FileNotFoundError as exc:
                if _code(exc) == "NoSuchBucket":
                    raise storage_error(
                        "storage-missing",
                        f"there is no bucket {self._base.partition('/')[0]}",
                        "Create it, or mend the s3:// address",
                    ) from exc
                raise missing(self.root, key) from exc
            except PartialCredentialsError as exc:
                raise PermissionError(str(exc)) from exc
            except NoCredentialsError as exc:  # so it says, too, where what gives them is slow
                raise storage_error(
                    "storage-failed",
                    f"there are no credentials for {self.root}/{key} ({exc})",
                    "Set TYRE3D_S3_ACCESS_KEY and TYRE3D_S3_SECRET_KEY",
                ) from exc
            except OSError as exc:
                if _code(exc) in _NOT_LET_IN:
                    raise PermissionError(f"{exc.strerror or exc}: {_code(exc)}") from exc
                raise
            except (BotoCoreError, ClientError) as exc:
                raise OSError(str(exc)) from exc

    def _ask(self, key: str, ask: Callable[[], _T]) -> _T:
        """The answer of ``ask``, repeated in growing pauses while S3 does not answer.

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

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store contents by key, one after the other."""
        for key, content in files.items():
            self._write(key, content)

    def _write(self, key: str, content: bytes) -> None:
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

        def ask() -> None:
            with part_of(target) as name, locked_part(name) as part:
                self._fs.get_file(path, str(part))
                part.replace(target)

        self._ask(key, ask)
        return target

    def local_tree(self, key: str, folder: Path, suffixes: Collection[str]) -> Path:
        """A copy of the object, or of those right below the prefix with one of the suffixes."""
        if self.size(key) is not None:
            return self.local(key, folder)
        for below in self.keys(key):
            name = PurePosixPath(below)
            if str(name.parent) == checked(key) and name.suffix.lower() in suffixes:
                self.local(below, folder)
        return folder / checked(key)

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        info = self._info(key)
        return int(info["size"]) if info is not None else None

    def mark(self, key: str) -> str | None:
        """What changes when the content of ``key`` does (its ETag and size), or None."""
        info = self._info(key)
        return f"{info['ETag']}:{info['size']}" if info is not None else None

    def web_address(self, key: str, content_type: str) -> str | None:
        """An address with a signature that holds for a week, or as long as our credentials do."""
        with self._errors(key):
            signed = self._fs.sign(
                self._path(key), expiration=_SIGNED_FOR_S, ResponseContentType=content_type
            )
        return str(signed)

    def upload_address(self, key: str, size: int, seconds: int) -> str | None:
        """An address with a signature that covers the size, too."""
        with self._errors(key):
            signed = self._fs.sign(
                self._path(key),
                expiration=seconds,
                client_method="put_object",
                ContentLength=size,
            )
        return str(signed)

    def _info(self, key: str) -> dict[str, Any] | None:
        path = self._path(key)

        def ask() -> dict[str, Any]:
            info = dict(self._fs.info(path))
            if info["type"] == "file" and not info["LastModified"]:
                raise OSError("what answers there is not S3: its object has no time")
            return info

        info = self._unless_missing(key, ask)
        return info if info is not None and info["type"] == "file" else None

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        path = self._path(prefix)
        found: list[str] = self._ask(prefix, lambda: self._fs.find(path))
        return sorted(p.removeprefix(self._base + "/") for p in found)

    def listing(self, prefix: str) -> list[Stored]:
        """All objects below ``prefix``, by key."""
        path = self._path(prefix)
        found: dict[str, Any] = self._ask(prefix, lambda: self._fs.find(path, detail=True))
        return [
            Stored(name.removeprefix(self._base + "/"), int(about["size"]), _time_of(about))
            for name, about in sorted(found.items())
        ]

    def touch(self, key: str) -> None:
        """Copy the object onto itself, once in a while; it is the better for nobody who may not."""
        bucket, _, path = self._path(key).partition("/")
        with contextlib.suppress(StorageError, OSError):
            info = self._info(key)
            if info is None or _time_of(info) > time.time() - _TOUCHED_EVERY_S:
                return
            self._fs.call_s3(
                "copy_object",
                Bucket=bucket,
                Key=path,
                CopySource={"Bucket": bucket, "Key": path},
                MetadataDirective="REPLACE",
            )

    def in_use(self, key: str) -> bool:
        """False: nothing tells it. By S3's clock, not ours, and it refuses whose clock is wrong."""
        checked(key)
        return False

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        path = self._path(prefix)
        bucket = path.partition("/")[0]

        def ask() -> None:
            keys = [found.partition("/")[2] for found in self._fs.find(path)]
            for first in range(0, len(keys), _DELETED_AT_ONCE):
                objects = [{"Key": k} for k in keys[first : first + _DELETED_AT_ONCE]]
                request = {"Objects": objects, "Quiet": True}
                answer = self._fs.call_s3("delete_objects", Bucket=bucket, Delete=request)
                for error in answer.get("Errors", []):  # s3fs says nothing of them
                    kind = PermissionError if error.get("Code") == "AccessDenied" else OSError
                    raise kind(f"{error.get('Key')} was not deleted: {error.get('Code')}")

        self._ask(prefix, ask)

    def check_writable(self, key: str) -> None:
        """Write an object beside ``key`` and delete it."""
        # one name, so that what a kill leaves is written over, and deleted, by the next one
        probe = str(PurePosixPath(key).with_name(".tyre3d.part"))
        self._write(probe, b"tyre3d")
        self.delete(probe)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """A prefix in a bucket cannot be locked: whoever asks has it."""
        yield True

    def remove_parts(self, *, dry_run: bool = False) -> int:
        """There are none: an object is there when it is complete."""
        return 0

    def working_folder(self, default: Path) -> Path:
        """The default: nothing in a bucket can be worked on."""
        return default

    def abort_uploads(self, before: float) -> int:
        """Abort multi-part uploads that killed processes left behind; they cost, and show nowhere.

        Args:
            before: Those begun before this time (seconds since the epoch) are leftovers.

        Returns:
            How many there were.
        """
        bucket, _, prefix = self._base.partition("/")

        def ask() -> int:
            answer = self._fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix)
            old = [u for u in answer.get("Uploads", []) if u["Initiated"].timestamp() < before]
            for upload in old:
                self._fs.call_s3(
                    "abort_multipart_upload",
                    Bucket=bucket,
                    Key=upload["Key"],
                    UploadId=upload["UploadId"],
                )
            return len(old)

        return self._ask(prefix, ask)


def _time_of(info: Mapping[str, Any]) -> float:
    return float(info["LastModified"].timestamp())


def _code(error: BaseException) -> str:
    """S3's own code of an error that s3fs translated; services differ in what it becomes."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
