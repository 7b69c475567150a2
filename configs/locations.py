"""Locations of inputs and results: a local path, or ``s3://bucket/key``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

SCHEMES = ("s3",)
"""Kinds of storage beside the file system; ``tasks/storage/open.py`` makes each."""


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
    return Path(text).expanduser().absolute()


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
    """The name without its suffix."""
    return PurePosixPath(parent_and_name(location)[1]).stem


def metadata_of(glb: str | Path) -> str | Path:
    """Where the metadata of a GLB lie: beside it."""
    parent, _ = parent_and_name(glb)
    return inside(parent, f"{stem_of(glb)}.json")
