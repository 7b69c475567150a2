"""What a user gives: told apart, refused early, named by its digest. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from configs.locations import parent_and_name
from configs.settings import Settings
from tasks.core.errors import InputError, StorageError
from tasks.storage.artifacts import canonical, sha256_of
from tasks.storage.s3 import S3Objects

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
VIDEO_SUFFIXES = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm")


def bad_input(code: str, what: str, advice: str) -> InputError:
    """An input error of the extract stage."""
    return InputError(code, stage="extract", what=what, advice=advice)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order (``2.png`` before ``10.png``)."""

    def natural(path: Path) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", path.name.lower())
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]

    found = (
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file() and not p.name.startswith(".")
    )
    return sorted(found, key=natural)


def check_input(source: Path) -> None:
    """Refuse early what cannot be a video or a folder of frames.

    Raises:
        InputError: If it is missing, unreadable, empty, or a folder without pictures.
    """
    try:
        if source.is_dir():
            if not pictures_in(source):
                raise bad_input(
                    "folder-no-images",
                    f"{source} holds no PNG or JPEG pictures",
                    "Give the folder in which the frames lie",
                )
            return
        with source.open("rb") as file:
            if not file.read(1):
                raise bad_input(
                    "video-empty", f"{source.name} is an empty file", "Copy the video again"
                )
    except FileNotFoundError as exc:
        raise bad_input("input-missing", f"{source} does not exist", "Check the path") from exc
    except PermissionError as exc:
        raise bad_input(
            "input-unreadable", f"{source} may not be read", "Check its permissions"
        ) from exc
    except OSError as exc:
        raise bad_input(
            "input-unreadable", f"{source} cannot be read ({exc.strerror})", "Check the disk"
        ) from exc


def input_digest(source: Path) -> str:
    """The digest of a video's bytes, or of a folder's pictures with their names."""
    if source.is_dir():
        listing = [(p.name, sha256_of(p)) for p in pictures_in(source)]
        return hashlib.sha256(canonical(listing)).hexdigest()
    return sha256_of(source)


@contextlib.contextmanager
def local_input(place: Path | str, settings: Settings) -> Iterator[Path]:
    """The input as a local path; a copy of what lies in S3 is removed afterwards.

    Raises:
        InputError: ``input-missing``, ``folder-no-images``.
    """
    if isinstance(place, Path):
        yield place.expanduser().absolute()
        return
    folder = settings.scratch_dir / f"input-{uuid.uuid4().hex}"
    try:
        yield _fetched(place, folder, settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetched(uri: str, folder: Path, settings: Settings) -> Path:
    parent, name = parent_and_name(uri)
    objects = S3Objects(str(parent), settings)
    try:
        if PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES:
            return objects.local(name, folder)
        for key in objects.keys(name):
            if key.count("/") == 1 and PurePosixPath(key).suffix.lower() in IMAGE_SUFFIXES:
                objects.local(key, folder)
    except StorageError as exc:
        if exc.code != "storage-missing":
            raise
        raise bad_input("input-missing", f"{uri} does not exist", "Check the address") from exc
    if not (folder / name).is_dir():
        raise bad_input(
            "folder-no-images",
            f"{uri} is no video, and holds no PNG or JPEG pictures",
            f"Videos end in {', '.join(VIDEO_SUFFIXES)}",
        )
    return folder / name


def input_mark(place: Path | str, settings: Settings) -> str:
    """What changes when the input does: its digest, or what S3 tells of a video without a look.

    Raises:
        InputError: As :func:`check_input`.
    """
    if isinstance(place, Path):
        check_input(place)
        return input_digest(place)
    parent, name = parent_and_name(place)
    mark = S3Objects(str(parent), settings).mark(name)
    if mark is None:
        raise bad_input("input-missing", f"{place} does not exist", "Check the address")
    if mark.endswith(":0"):
        raise bad_input("video-empty", f"{place} is an empty file", "Copy the video again")
    return mark
