"""What a user gives: told apart, refused early, named by its digest. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tasks.errors import InputError
from tasks.store import canonical, sha256_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


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
