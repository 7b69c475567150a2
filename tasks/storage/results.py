"""What a user gets: complete or not at all, in a folder or in a bucket. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from configs.locations import inside, metadata_of, parent_and_name
from configs.settings import Settings
from tasks.core.errors import InputError, StorageError
from tasks.storage.base import storage_errors
from tasks.storage.s3 import S3Objects


class Results:
    """A folder of results.

    Args:
        folder: A path, or ``s3://bucket/prefix``.
        settings: How S3 is reached.
    """

    def __init__(self, folder: Path | str, settings: Settings) -> None:
        self._folder = folder
        self._bucket = S3Objects(folder, settings) if isinstance(folder, str) else None

    def place(self, name: str) -> Path | str:
        """Where ``name`` lies."""
        return inside(self._folder, name)

    def check(self, name: str) -> None:
        """Make sure, before anything is computed, that ``name`` can be written.

        Raises:
            InputError: ``output-unwritable``.
        """
        probe = f".{uuid.uuid4().hex}.part"
        try:
            if self._bucket is not None:
                self._bucket.write(probe, b"tyre3d")
                self._bucket.delete(probe)
                return
            folder = Path(self._folder)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                (folder / probe).write_bytes(b"tyre3d")
            finally:
                (folder / probe).unlink(missing_ok=True)
            if (folder / name).is_dir():
                raise IsADirectoryError(21, "a folder has this name", str(folder / name))
        except (OSError, StorageError) as exc:
            if isinstance(exc, StorageError) and exc.retryable:
                raise
            why = exc.what if isinstance(exc, StorageError) else exc.strerror
            raise InputError(
                "output-unwritable",
                stage="export",
                what=f"{self.place(name)} cannot be written ({why})",
                advice="Choose another folder with --out",
            ) from exc

    def read(self, name: str) -> bytes | None:
        """The content of ``name``, or None."""
        if self._bucket is not None:
            return self._bucket.get(name)
        path = Path(self._folder) / name
        with storage_errors(str(path)):
            return path.read_bytes() if path.is_file() else None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, each completely or not at all, in this order; locally none if one fails."""
        if self._bucket is not None:
            for name, content in files.items():
                self._bucket.write(name, content)
            return
        folder = Path(self._folder)
        with storage_errors(str(folder)):
            parts = []
            try:
                for name, content in files.items():
                    part = folder / f".{name}.{uuid.uuid4().hex}.part"
                    parts.append((part, folder / name))
                    with part.open("wb") as file:
                        file.write(content)
                        file.flush()
                        os.fsync(file.fileno())
                for part, path in parts:
                    part.replace(path)
            finally:
                for part, _ in parts:
                    part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[bool]:
        """Hold a local folder for one process of this machine; false where another holds it.

        The lock goes with the process, however that ends. A prefix in a bucket cannot be held.
        """
        if self._bucket is not None:
            yield True
            return
        import fcntl

        with (Path(self._folder) / f".{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def results_beside(glb: Path | str, settings: Settings) -> tuple[Results, str]:
    """The folder of a GLB, and the GLB's name in it."""
    folder, name = parent_and_name(glb)
    return Results(folder, settings), name


def check_writable(glb: Path | str, settings: Settings) -> None:
    """Make sure that a GLB and its metadata can be written."""
    results, name = results_beside(glb, settings)
    results.check(name)


def finite(value: Any) -> Any:
    """Plain data with None for what is no finite number, which JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_result(
    place: Path | str, glb: bytes, metadata: Mapping[str, Any], settings: Settings
) -> None:
    """Write GLB and metadata beside each other, the GLB last."""
    results, name = results_beside(place, settings)
    text = json.dumps(metadata, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    results.write({parent_and_name(metadata_of(place))[1]: text, name: glb})
