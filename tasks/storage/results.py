"""What a user gets: complete or not at all, in a folder or in a bucket. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from configs.locations import (
    FLAT_RECORD,
    LEVELS,
    inside,
    level_of,
    metadata_of,
    names_of,
    parent_and_name,
    report_of,
    stem_of,
)
from configs.settings import Settings
from configs.stages import StageName
from tasks.core.errors import InputError, StorageError
from tasks.storage.open import open_storage

METADATA_MARK = "metadata_path"
"""A key of all metadata, by which they are told from other JSON files."""
MANIFEST_MARK = "tyres"
"""A key of all manifests of batches, likewise."""
COMPARISON_MARK = "alignment"
"""A key of all records of comparisons, likewise."""
ATLAS_MARK = "pictures"
"""A key of all records of flattened images, likewise."""
_GLB_MARK = b'"generator":"Tyre3D'
"""What all GLBs hold, likewise."""
PAGE_MARK = b'<meta name="generator" content="Tyre3D '
"""What all reports hold, likewise."""


class Results:
    """A folder of results.

    Args:
        folder: A path, or ``s3://bucket/prefix``.
        settings: How S3 is reached.
    """

    def __init__(self, folder: Path | str, settings: Settings) -> None:
        self._folder = folder
        self._storage = open_storage(folder, settings)

    def location(self, name: str) -> Path | str:
        """Where ``name`` lies."""
        return inside(self._folder, name)

    def check(self, name: str) -> None:
        """Make sure, before anything is computed, that ``name`` can be written.

        Raises:
            InputError: ``output-unwritable``.
            StorageError: ``disk-full``, or what a retry may mend.
        """
        try:
            self._storage.check_writable(name)
        except StorageError as exc:
            if exc.retryable or exc.code == "disk-full":
                raise
            reason = getattr(exc.__cause__, "strerror", None) or exc.what
            raise InputError(
                "output-unwritable",
                stage=StageName.EXPORT,
                what=f"{self.location(name)} cannot be written ({reason})",
                advice="Choose another folder with --out",
            ) from exc

    def read(self, name: str) -> bytes | None:
        """The content of ``name``, or None."""
        return self._storage.get(name)

    def web_address(self, name: str, content_type: str) -> str | None:
        """Where a browser may fetch ``name`` for a week, None where nothing serves it."""
        return self._storage.web_address(name, content_type)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, each completely or not at all, in this order; locally none if one fails."""
        self._storage.write(files)

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Lock the folder for one process of this machine; false where another has the lock.

        The lock goes with the process, however that ends. A prefix in a bucket cannot be locked.
        """
        return self._storage.lock(name)


def results_beside(glb: Path | str, settings: Settings) -> tuple[Results, str]:
    """The folder of a GLB, and the GLB's name in it."""
    folder, name = parent_and_name(glb)
    return Results(folder, settings), name


def check_writable(glb: Path | str, settings: Settings, *, atlas: bool = False) -> None:
    """Make sure that a GLB and what lies beside it can be written, and replace nothing of others.

    Args:
        glb: Where the GLB goes; it is named by whoever asks, and may be replaced.
        settings: How S3 is reached.
        atlas: Whether flattened images are put beside it.

    Raises:
        InputError: ``output-unwritable``, ``output-foreign``.
        StorageError: As :meth:`Results.check`.
    """
    results, _ = results_beside(glb, settings)
    for each in names_of(glb, atlas=atlas):  # any name may be too long, or a folder's
        results.check(each)
    metadata, report = (parent_and_name(of(glb))[1] for of in (metadata_of, report_of))
    check_replaceable(results, metadata)
    check_page_replaceable(results, report)
    if atlas:
        check_replaceable(results, f"{stem_of(glb)}{FLAT_RECORD}", ATLAS_MARK)
    levels = [parent_and_name(level_of(glb, level))[1] for level in LEVELS]
    check_meshes_replaceable(results, levels, metadata)


def check_meshes_replaceable(results: Results, names: Sequence[str], record: str) -> None:
    """Make sure that no GLB beside a record replaces the mesh of a tyre that is called so.

    Args:
        results: The folder.
        names: Names of the GLBs that are to be written.
        record: Name of the record of which they are; where it is there, so may they be.

    Raises:
        InputError: ``output-foreign``.
    """
    has_record = results.read(record) is not None
    for name in names:
        if results.read(f"{stem_of(name)}.json") is not None:
            raise foreign(results, name)
        if not has_record and _GLB_MARK not in (results.read(name) or _GLB_MARK):
            raise foreign(results, name)


def check_page_replaceable(results: Results, name: str) -> None:
    """Make sure that no page is replaced that is not one of ours.

    Raises:
        InputError: ``output-foreign``.
    """
    content = results.read(name)
    if content is not None and PAGE_MARK not in content[:4096]:
        raise foreign(results, name)


def check_replaceable(results: Results, name: str, mark: str = METADATA_MARK) -> None:
    """Make sure that no file is replaced that is not one of ours.

    Args:
        results: The folder.
        name: Name of the JSON file that is to be written.
        mark: A key that such a file of ours has.

    Raises:
        InputError: ``output-foreign``.
    """
    content = results.read(name)
    if content is None:
        return
    try:
        ours = mark in dict(json.loads(content))
    except (ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise foreign(results, name)


def foreign(results: Results, name: str) -> InputError:
    """What is said of a file that is in the way."""
    return InputError(
        "output-foreign",
        stage=StageName.EXPORT,
        what=f"{results.location(name)} is there already, and is something else",
        advice="Move it away, or choose another folder or name",
    )


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
    location: Path | str,
    glb: bytes,
    metadata: Mapping[str, Any],
    settings: Settings,
    page: str | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> dict[str, str]:
    """Write what a user gets, side by side, the GLB last.

    The metadata name all the others with their sha256 as ``files``, so that each can be told from
    what another run wrote in its place.

    Args:
        location: Where the GLB goes.
        glb: The GLB.
        metadata: What is said of it.
        settings: How S3 is reached.
        page: The report's page, where it could be made.
        beside: Other files, by what is added to the GLB's name without its suffix.

    Returns:
        What the metadata say as ``files``.
    """
    results, name = results_beside(location, settings)
    others = {f"{stem_of(location)}{suffix}": c for suffix, c in (beside or {}).items()}
    shown = {}
    if page is not None:
        shown[parent_and_name(report_of(location))[1]] = page.encode("utf-8", "backslashreplace")
    made = {**others, **shown, name: glb}
    digests = {each: hashlib.sha256(content).hexdigest() for each, content in made.items()}
    record = {**metadata, "files": digests}
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    results.write({**others, parent_and_name(metadata_of(location))[1]: text, **shown, name: glb})
    return digests
