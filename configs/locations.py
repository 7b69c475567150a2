"""Locations of inputs and results: a local path, or ``s3://bucket/key``."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath

SCHEMES = ("s3",)
"""Kinds of storage beside the file system; ``tasks/storage/open.py`` makes each."""


VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".webm"),
)

_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def has_unprintable(text: str) -> bool:
    """Whether a text holds what is no name's: control characters, line ends, bytes of no UTF-8.

    Such names reach terminals, logs and pages, and what turns text round makes them look like
    others.
    """
    return any(c in _TURNS_TEXT or unicodedata.category(c) in _UNPRINTABLE for c in text)


def printable(text: str) -> str:
    """A text in which what is unprintable is written out."""
    return "".join(c.encode("unicode_escape").decode() if has_unprintable(c) else c for c in text)


def is_address(text: str) -> bool:
    """Whether a text is an address such as ``s3://bucket/key``, of a known scheme or not."""
    return "://" in text


def split_address(text: str) -> tuple[str, str, str]:
    """Scheme, bucket and key of an address; the key is empty where it names a whole bucket.

    Raises:
        ValueError: The scheme is unknown, or a part of the address is empty, ``.`` or ``..``.
    """
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:
        known = ", ".join(f"{s}://bucket/key" for s in SCHEMES)
        raise ValueError(f"{scheme}:// is no known kind of address; known are paths and {known}")
    parts = rest.rstrip("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"an address reads {scheme}://bucket/key")
    return scheme, parts[0], "/".join(parts[1:])


def as_location(text: str | Path) -> str | Path:
    """What a person wrote: an absolute path, or an address without a slash at its end."""
    if isinstance(text, str) and is_address(text):
        return text.rstrip("/")
    return own_path(text).absolute()


def own_path(text: str | Path) -> Path:
    """A path in which a ``~`` before it is this user's home.

    Names such as ``~film.mp4`` are those of files: a shell writes out whose home it means.
    """
    path, named = Path(text), str(text)
    return path.expanduser() if named == "~" or named.startswith("~/") else path


def inside(folder: str | Path, name: str) -> str | Path:
    """The location of ``name`` in a folder."""
    return f"{folder}/{name}" if isinstance(folder, str) else folder / name


def parent_and_name(location: str | Path) -> tuple[str | Path, str]:
    """The folder of a location, and its name there."""
    if isinstance(location, Path):
        return location.parent, location.name
    parent, _, name = location.rpartition("/")
    return parent, name


def stem_of(location: str | Path) -> str:
    """The name of a video or GLB without its suffix; a folder's name is left whole.

    Names such as ``25x8.00-12`` hold points that begin no suffix.
    """
    name = PurePosixPath(parent_and_name(location)[1])
    return name.stem if name.suffix.lower() in (*VIDEO_SUFFIXES, ".glb") else name.name


def metadata_of(glb: str | Path) -> str | Path:
    """Where the metadata of a GLB lie: beside it."""
    parent, _ = parent_and_name(glb)
    return inside(parent, f"{stem_of(glb)}.json")


def report_of(glb: str | Path) -> str | Path:
    """Where the report on a GLB lies: beside it."""
    parent, _ = parent_and_name(glb)
    return inside(parent, f"{stem_of(glb)}.html")


LEVELS = ("medium", "preview", "plain")
"""What lies beside a GLB under its name: two levels of less detail, and the uncompressed whole."""


def level_of(glb: str | Path, level: str) -> str | Path:
    """Where a GLB's mesh lies in another level of detail: beside it."""
    parent, _ = parent_and_name(glb)
    return inside(parent, f"{stem_of(glb)}.{level}.glb")


FLAT_PARTS = ("outer-sidewall", "tread", "inner-sidewall")
FLAT_RECORD = ".atlas.json"
FLAT_SUFFIXES = (
    FLAT_RECORD,
    *(f".{part}{kind}.png" for part in FLAT_PARTS for kind in ("", ".provenance")),
)
"""What is added to a GLB's name without its suffix for the flattened images and their scale."""


def names_of(glb: str | Path, *, atlas: bool) -> list[str]:
    """The names of all files that a result may have, the GLB's first.

    Args:
        glb: Where the GLB goes.
        atlas: Whether flattened images are put beside it.
    """
    locations = [glb, metadata_of(glb), report_of(glb), *(level_of(glb, each) for each in LEVELS)]
    flat = [f"{stem_of(glb)}{suffix}" for suffix in FLAT_SUFFIXES] if atlas else []
    return [*(parent_and_name(location)[1] for location in locations), *flat]


def is_level(name: str) -> bool:
    """Whether a file, or a tyre, is called as a level of another's GLB."""
    return name.lower().removesuffix(".glb").endswith(tuple(f".{level}" for level in LEVELS))
