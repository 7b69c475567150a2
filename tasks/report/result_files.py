"""What a run left, by whatever name a person gives it: GLB, JSON, page, folder, bare name."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from configs.locations import (
    as_location,
    inside,
    is_address,
    is_level,
    metadata_of,
    parent_and_name,
    report_of,
    stem_of,
)
from configs.settings import Settings
from tasks.batch.sources import PAGE_NAME
from tasks.core.errors import InputError
from tasks.mesh.glb_reader import ReadMesh, read_glb
from tasks.storage.base import storage_errors
from tasks.storage.open import open_storage
from tasks.storage.results import PAGE_MARK, Results

_SUFFIXES = (".json", ".html")


@dataclass(frozen=True)
class FoundResult:
    """A GLB, and what lies beside it.

    Args:
        location: Where the GLB lies.
        glb: Its content.
        metadata: What is said of it; empty where nothing lies beside it.
    """

    location: Path | str
    glb: bytes
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A report's page; ``path`` is None where it lies in a bucket."""

    content: bytes
    path: Path | None


def find_result(text: str, settings: Settings) -> FoundResult:
    """The result that a person names.

    Args:
        text: A GLB, its JSON or its report, the name of all three without a suffix, or a folder
            with one result; s3:// as well, where a prefix is such a folder.
        settings: How S3 is reached.

    Raises:
        InputError: ``result-missing`` where there is none, or several.
        StorageError: S3 does not answer.
    """
    location = _glb_of(text, settings)
    folder, name = parent_and_name(location)
    results = Results(folder, settings)
    glb = results.read(name)
    if glb is None:
        raise _missing(f"there is no {location}", "Name a GLB, or a folder with one")
    beside = results.read(parent_and_name(metadata_of(location))[1])
    return FoundResult(location, glb, _parsed(beside))


def whole_result(text: str, settings: Settings) -> FoundResult:
    """The result that a person names, with metadata that tell of this very mesh.

    Raises:
        InputError: As :func:`find_result`; ``result-incomplete`` where the metadata beside it are
            missing, damaged, of a release that said less, or of another mesh.
        StorageError: S3 does not answer.
    """
    found = find_result(text, settings)
    metadata = metadata_of(found.location)
    if not _tells_all(found.metadata):
        raise _incomplete(
            f"{metadata}, which tells what the mesh was made of, is missing or damaged"
        )
    if found.metadata["glb_sha256"] != hashlib.sha256(found.glb).hexdigest():
        raise _incomplete(f"{metadata} tells of another mesh than {found.location}")
    return found


def find_page(text: str, settings: Settings) -> tuple[str, Page]:
    """Name and content of the report that a person names; of a folder, of its batch if it has one.

    Raises:
        InputError: ``result-missing``.
    """
    location = as_location(text)
    if parent_and_name(location)[1] != PAGE_NAME:
        if PAGE_NAME in (_names_in(location, settings) or ()):
            location = inside(location, PAGE_NAME)
        else:
            location = report_of(_glb_of(text, settings))
    folder, name = parent_and_name(location)
    content = Results(folder, settings).read(name)
    if content is None or PAGE_MARK not in content[:4096]:
        raise _missing(
            f"there is no report {location}",
            "Name a report, a GLB beside one, or their folder; where a GLB has none, make it again "
            "(tyre3d reconstruct: finished stages are not repeated)",
        )
    return name, Page(content, location if isinstance(location, Path) else None)


def mesh_of(result: FoundResult) -> ReadMesh:
    """The mesh of a result.

    Raises:
        InputError: ``glb-unreadable``.
    """
    try:
        return read_glb(result.glb)
    except ValueError as exc:
        raise InputError(
            "glb-unreadable",
            stage="start",
            what=f"{result.location}: {exc}",
            advice="Name a GLB that Tyre3D wrote, and that is whole",
        ) from exc


def _glb_of(text: str, settings: Settings) -> Path | str:
    location = as_location(text)
    names = _names_in(location, settings)
    if names is not None:
        return _only_glb(location, names)
    folder, name = parent_and_name(location)
    if name.lower().endswith(".glb"):
        return location
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            return inside(folder, f"{name[: -len(suffix)]}.glb")
    return inside(folder, f"{stem_of(location)}.glb")


def _only_glb(folder: Path | str, names: Iterable[str]) -> Path | str:
    """The one whole mesh in a folder."""
    found = [n for n in names if n.endswith(".glb") and not is_level(n)]
    if len(found) != 1:
        several = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        what = f"{folder} holds {several}" if found else f"{folder} holds no GLB"
        raise _missing(what, "Name one result")
    return inside(folder, found[0])


def _names_in(location: Path | str, settings: Settings) -> list[str] | None:
    """The names of what lies right in a folder or right below a prefix, None where it is neither.

    A prefix is looked at only where no result is called so: not all who may read may list.

    Raises:
        InputError: ``result-missing`` for a whole bucket.
        StorageError: It may not be listed.
    """
    if isinstance(location, Path):
        with storage_errors(str(location)):
            return sorted(path.name for path in location.iterdir()) if location.is_dir() else None
    folder, name = parent_and_name(location)
    if not is_address(str(folder)):
        raise _missing(f"{location} names a whole bucket", "Name a GLB, or a prefix with one")
    if name.lower().endswith((".glb", *_SUFFIXES)):
        return None
    storage = open_storage(folder, settings)
    if storage.size(f"{stem_of(location)}.glb") is not None:
        return None
    keys = map(PurePosixPath, storage.keys(name))
    return [key.name for key in keys if str(key.parent) == name] or None


def _parsed(content: bytes | None) -> dict[str, Any]:
    """Metadata, empty where there are none that can be read."""
    try:
        return dict(json.loads(content or b"{}"))
    except (ValueError, TypeError, RecursionError):
        return {}


def _tells_all(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata tell of a run what those who go on from it ask for."""
    try:
        texts = [metadata["input"][key] for key in ("name", "sha256")]
        texts += [reason["message"] for reason in metadata["reasons"]]
        texts += [stage[key] for stage in metadata["stages"] for key in ("stage", "uri")]
        texts += [metadata["verdict"], metadata["glb_sha256"]]
        diameter = metadata["scale"]["nominal_diameter_mm"]
        return (
            all(isinstance(text, str) for text in texts)
            and isinstance(diameter, float | int)
            and 0 < diameter < math.inf
        )
    except (KeyError, TypeError):
        return False


def _incomplete(what: str) -> InputError:
    return InputError(
        "result-incomplete",
        stage="start",
        what=what,
        advice="Put GLB and JSON of one run side by side, under one name, or give the film instead",
    )


def _missing(what: str, advice: str) -> InputError:
    return InputError("result-missing", stage="start", what=what, advice=advice)
