"""Locations of inputs and results: a local path, or ``s3://bucket/key``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

S3 = "s3://"


def as_location(text: str | Path) -> str | Path:
    """What a person wrote: an absolute path, or an address in S3 without a slash at its end."""
    if isinstance(text, str) and text.startswith(S3):
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
