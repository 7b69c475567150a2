"""Which paths and addresses of a request are let through."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from configs.locations import (
    LEVELS,
    VIDEO_SUFFIXES,
    has_unprintable,
    metadata_of,
    parent_and_name,
)
from deployments.api.errors import ApiError
from tasks.core.phrasing import counted

RETRY_STORAGE_S = 30
"""When disks, shares and S3 that are away are to be asked for again."""
_MAX_NAME_BYTES = 255
_MAX_PATH_BYTES = 4000
_BESIDE = (*LEVELS, "atlas", "change", "placed", "new", "damaged")
_ENDS = tuple(f".{name}" for name in _BESIDE)
"""What follows the name of a result in the names of GLBs and records beside it.

The last two are the tyres of a comparison that is given films: each has all files of a result."""


def below(location: Path | str, roots: tuple[Path | str, ...], field: str) -> Path | str:
    """The location, links of a path resolved, if it lies below one of the roots.

    Args:
        location: A path, or an ``s3://`` address.
        roots: Folders and ``s3://`` prefixes.
        field: The field of the request that holds the location, for the message.

    Raises:
        ApiError: 422 if it does not; the message does not reveal what lies elsewhere. 503 where
            the root is away.
    """
    if not has_unprintable(str(location)):
        if isinstance(location, str):
            if any(isinstance(root, str) and location.startswith(f"{root}/") for root in roots):
                return location
        elif (real := _resolved(location)) is not None:
            for root in (each for each in roots if isinstance(each, Path)):
                if real.is_relative_to(root.resolve()) and real != root.resolve():
                    check_root(root)
                    return real
    raise ApiError(422, "path-refused", f"{field} must be an absolute path below a configured root")


def check_root(root: Path) -> None:
    """Make sure that a root is there: the folder of a share that is away may come back.

    Raises:
        ApiError: 503.
    """
    if not root.is_dir():
        message = f"The folder {root} is not there: its disk or share is away"
        raise ApiError(503, "storage-failed", message, retry_after_s=RETRY_STORAGE_S)


def _resolved(path: Path) -> Path | None:
    """The path without links; None where it is relative, too long, or where links go round."""
    try:
        real = path.resolve() if path.is_absolute() else None
        if real is not None and len(os.fsencode(real)) <= _MAX_PATH_BYTES:
            real.exists()
            return real
    except (OSError, RuntimeError, ValueError):
        pass
    return None


def input_below(
    location: Path | str, roots: tuple[Path | str, ...], *, is_video: bool
) -> Path | str:
    """The location of an input that is there.

    Args:
        location: A path, or an ``s3://`` address.
        roots: Folders and prefixes of inputs.
        is_video: Whether it must be a file with the suffix of a video, or else a folder.

    Raises:
        ApiError: 422.
    """
    source = below(location, roots, "the input")
    name = parent_and_name(source)[1]
    # lists of further files (.m3u8) are opened by FFmpeg, wherever these files lie
    if is_video and Path(name).suffix.lower() not in VIDEO_SUFFIXES:
        known = ", ".join(VIDEO_SUFFIXES)
        raise ApiError(422, "path-refused", f"{name} is not a video; videos end in {known}")
    if isinstance(source, Path):
        if not source.exists():
            raise ApiError(422, "input-missing", f"{source} does not exist")
        if is_video and not source.is_file():
            raise ApiError(422, "path-refused", f"{source} is not a video")
        if not is_video and not source.is_dir():
            raise ApiError(422, "path-refused", f"{source} is not a folder")
    return source


def folder_below(location: Path | str, roots: tuple[Path | str, ...], field: str) -> Path | str:
    """The location of a folder of results: a root, or below one; it need not be there.

    Args:
        location: A path, or an ``s3://`` address.
        roots: Folders and ``s3://`` prefixes.
        field: The field of the request that holds it, for the message.

    Raises:
        ApiError: 422, or 503 as of :func:`below`.
    """
    real = _resolved(location) if isinstance(location, Path) else location
    folders = [root.resolve() if isinstance(root, Path) else root for root in roots]
    if real in folders and not has_unprintable(str(real)):
        if isinstance(real, Path):
            check_root(real)
        return location if isinstance(location, str) else Path(str(real))
    folder = below(location, roots, field)
    if isinstance(folder, Path) and folder.exists() and not folder.is_dir():
        raise ApiError(422, "path-refused", f"{field} is not a folder")
    return folder


def result_below(location: Path | str, roots: tuple[Path | str, ...]) -> Path | str:
    """The location of a finished result that is there.

    Raises:
        ApiError: 422.
    """
    found = below(location, roots, "the result")
    if isinstance(found, Path) and not found.is_file():
        raise ApiError(422, "input-missing", f"{found} does not exist")
    return found


def output_below(
    location: Path | str, roots: tuple[Path | str, ...], *, beside: Sequence[str]
) -> Path | str:
    """The location of a GLB that can be written there, as far as its name tells.

    Args:
        location: The location.
        roots: As :func:`below` takes them.
        beside: Names of all files that are to be written there.

    Raises:
        ApiError: 422.
    """
    glb = below(location, roots, "output_glb_path")
    name = parent_and_name(glb)[1]
    if not name.endswith(".glb") or name.startswith("."):
        raise ApiError(422, "path-refused", "output_glb_path must end in .glb")
    longest = max(len(each.encode()) for each in beside)
    if longest > _MAX_NAME_BYTES:
        excess = counted(longest - _MAX_NAME_BYTES, "byte")
        message = f"the name of output_glb_path is too long by {excess}"
        raise ApiError(422, "path-refused", message)
    if isinstance(glb, Path) and (glb.is_dir() or metadata_of_is_folder(glb)):
        raise ApiError(422, "path-refused", "output_glb_path names a folder")
    return glb


def check_stem(stem: str, field: str) -> None:
    """Refuse names of results by which their files would be those of other results.

    Args:
        stem: Name of a result, without a suffix.
        field: The field of the request that holds it, for the message.

    Raises:
        ApiError: 422.
    """
    ends = next((end for end in _ENDS if stem.lower().endswith(end)), None)
    if ends is not None:
        message = f"{field}: names that end in {ends} are those of files beside other results"
        raise ApiError(422, "path-refused", message)


def metadata_of_is_folder(glb: Path) -> bool:
    """Whether a folder lies where the metadata of a GLB go."""
    return Path(metadata_of(glb)).is_dir()
