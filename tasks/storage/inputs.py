"""Inputs: refused early, brought to this machine, named by their digest. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from configs.locations import (
    VIDEO_SUFFIXES,
    as_location,
    has_unprintable,
    parent_and_name,
    printable,
)
from configs.settings import Settings
from configs.stages import StageName
from tasks.core.digests import canonical, sha256_of
from tasks.core.errors import InputError, StorageError
from tasks.storage.open import open_storage
from tasks.storage.scratch import working_folder

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


def bad_input(code: str, what: str, advice: str) -> InputError:
    """An input error of the extract stage."""
    return InputError(code, stage=StageName.EXTRACT, what=what, advice=advice)


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as people do: ``2.png`` before ``10.png``."""
    parts = re.split(r"([0-9]+)", name.lower())  # the odd ones are numbers
    return [(0, int(p), "") if i % 2 else (1, 0, p) for i, p in enumerate(parts)]


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order."""
    found = (
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file() and not p.name.startswith(".")
    )
    return sorted(found, key=lambda path: natural_order(path.name))


@contextlib.contextmanager
def input_errors(location: Path | str) -> Iterator[None]:
    """Translate what reading an input raises, once: the user can mend it."""
    try:
        yield
    except FileNotFoundError as exc:
        raise bad_input("input-missing", f"{location} does not exist", "Check the path") from exc
    except PermissionError as exc:
        raise bad_input(
            "input-unreadable", f"{location} may not be read", "Check its permissions"
        ) from exc
    except OSError as exc:
        raise bad_input(
            "input-unreadable", f"{location} cannot be read ({exc.strerror})", "Check the disk"
        ) from exc
    except StorageError as exc:
        if exc.code == "storage-missing":
            what = f"{location} does not exist"
            raise bad_input("input-missing", what, "Check the address") from exc
        if exc.code == "storage-denied":
            what = f"{location} may not be read"
            raise bad_input("input-unreadable", what, "Check its permissions") from exc
        raise


def check_input(source: Path) -> None:
    """Refuse early what cannot be a video or a folder of frames.

    The command line does so before anything is started, the extract stage for every run.

    Raises:
        InputError: If it is missing, unreadable, empty, or a folder without images; or if a name
            cannot be handed to the libraries that read it.
    """
    check_name(source)
    check_regular(source)
    with input_errors(source):
        if source.is_dir():
            images = images_in(source)
            for path in images:
                check_name(path)
            if not images:
                raise bad_input(
                    "folder-no-images",
                    f"{source} holds no PNG or JPEG pictures",
                    "Give the folder in which the frames lie; for a folder of videos: tyre3d batch",
                )
            return
        with source.open("rb") as file:
            if not file.read(1):
                raise _empty(source)


def check_regular(source: Path) -> None:
    """Refuse pipes, sockets and devices: reading them may never end.

    Raises:
        InputError: ``input-unreadable``.
    """
    with input_errors(source):
        if source.exists() and not source.is_file() and not source.is_dir():
            raise bad_input(
                "input-unreadable",
                f"{source} is neither a file nor a folder",
                "Copy what it brings into a file",
            )


def check_name(location: Path | str) -> None:
    """Refuse names that are no UTF-8, as old archives and shares leave them, or that hide parts.

    An empty one is refused too, as a shell's variable that is not set leaves it.

    Raises:
        InputError: ``input-name``, ``input-missing`` where there is none.
    """
    if not str(location):  # it would be the folder one is in
        raise bad_input("input-missing", "an empty name names nothing", "Check the path")
    if has_unprintable(str(location)):
        raise bad_input(
            "input-name",
            f"the name {printable(str(location))} holds bytes or characters that no name should",
            "Rename it",
        )


def _empty(location: Path | str) -> InputError:
    name = parent_and_name(location)[1]
    return bad_input("video-empty", f"{name} is an empty file", "Copy the video again")


def input_digest(source: Path) -> str:
    """The digest of a video's bytes, or of a folder's images with their names.

    Raises:
        InputError: If it is missing or unreadable.
    """
    check_regular(source)
    with input_errors(source):
        if source.is_dir():
            listing = [(p.name, sha256_of(p)) for p in images_in(source)]
            return hashlib.sha256(canonical(listing)).hexdigest()
        return sha256_of(source)


@contextlib.contextmanager
def local_input(location: Path | str, settings: Settings) -> Iterator[Path]:
    """The input as a local path; a copy of what lies in S3 is removed afterwards.

    Raises:
        InputError: ``input-missing``, ``input-unreadable``, ``folder-no-images``.
    """
    parent, name = parent_and_name(as_location(location))
    storage = open_storage(parent, settings)
    with contextlib.ExitStack() as copies:
        folder = settings.scratch_dir
        if not isinstance(parent, Path):
            folder = copies.enter_context(working_folder(folder, "input"))
        with input_errors(location):
            path = storage.local_tree(name, folder, IMAGE_SUFFIXES)
            if not path.exists():
                raise _nothing_at(location, prefix_exists=bool(storage.keys(name)))
        yield path


def _nothing_at(location: Path | str, *, prefix_exists: bool) -> InputError:
    if not prefix_exists:
        return bad_input("input-missing", f"{location} does not exist", "Check the path")
    return bad_input(
        "folder-no-images",
        f"{location} is no video, and holds no PNG or JPEG pictures",
        f"Videos end in {', '.join(VIDEO_SUFFIXES)}",
    )


def input_mark(location: Path | str, settings: Settings) -> str:
    """What changes when the input does: its digest, or what S3 says of a video without a look.

    Raises:
        InputError: As :func:`check_input`.
    """
    check_name(location)
    parent, name = parent_and_name(as_location(location))
    storage = open_storage(parent, settings)
    with input_errors(location):
        if storage.size(name) == 0:
            raise _empty(location)
        mark = storage.mark(name)
        if mark is not None:
            return mark
        with local_input(location, settings) as path:
            check_input(path)
            return input_digest(path)
