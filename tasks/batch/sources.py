"""A batch's inputs: every tyre that files, folders and prefixes name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from configs.locations import (
    FLAT_RECORD,
    VIDEO_SUFFIXES,
    as_location,
    is_address,
    is_level,
    own_path,
    split_address,
    stem_of,
)
from configs.settings import Settings
from tasks.core.errors import InputError
from tasks.storage.inputs import IMAGE_SUFFIXES, images_in
from tasks.storage.open import open_storage

MANIFEST_NAME = "batch.json"
PAGE_NAME = "batch.html"


@dataclass(frozen=True)
class Source:
    """One tyre of a batch.

    Args:
        name: The name of its result, unique in the batch.
        uri: A path, or ``s3://bucket/key``.
    """

    name: str
    uri: str

    @property
    def location(self) -> Path | str:
        """Where its video or its folder of frames lies."""
        return as_location(self.uri)


def find_sources(inputs: Sequence[str], settings: Settings) -> list[Source]:
    """Every tyre that the inputs name, in order, each once.

    A file is taken as it is, even if it is missing (then it fails alone). A folder stands for the
    videos and the folders of images in it; a folder with images and no video is one tyre. A
    prefix in a bucket is such a folder, and stands for the videos further below it, too. Where
    others hold something, what holds nothing fails alone: left out, nobody would miss it.

    Args:
        inputs: Files, folders, ``s3://bucket/prefix``.
        settings: How S3 is reached.

    Raises:
        InputError: ``batch-empty`` if there is nothing in all of them, ``batch-address`` and
            ``batch-prefix`` for addresses that cannot be listed.
    """
    found = [(as_location(text), _found(text, settings)) for text in inputs]
    if not any(uris for _, uris in found):
        raise InputError(
            "batch-empty",
            stage="batch",
            what=f"no video and no folder of pictures in {', '.join(inputs)}",
            advice=f"Videos end in {', '.join(VIDEO_SUFFIXES)}",
        )
    every = [uri for location, uris in found for uri in uris or [str(location)]]
    return _named(list(dict.fromkeys(every)))


def _found(text: str, settings: Settings) -> list[str]:
    """The tyres that one input names."""
    if is_address(text):
        return _in_bucket(text, settings)
    path = own_path(text).absolute()
    return [str(p) for p in _in_folder(path)] if path.is_dir() else [str(path)]


def _in_folder(folder: Path) -> list[Path]:
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    videos = [p for p in entries if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file()]
    if not videos and images_in(folder):
        return [folder]
    return videos + [p for p in entries if p.is_dir() and images_in(p)]


def _in_bucket(uri: str, settings: Settings) -> list[str]:
    try:
        scheme, bucket, prefix = split_address(uri)
    except ValueError as exc:
        raise InputError(
            "batch-address", stage="batch", what=f"{uri}: {exc}", advice="Mend the address"
        ) from exc
    if not prefix:
        raise InputError(
            "batch-prefix",
            stage="batch",
            what=f"{uri} names a whole bucket",
            advice=f"Give a prefix in it: {scheme}://bucket/prefix",
        )
    if PurePosixPath(prefix).suffix.lower() in VIDEO_SUFFIXES:
        return [uri]
    keys = open_storage(f"{scheme}://{bucket}", settings).keys(prefix)
    shown = [path for path in map(PurePosixPath, keys) if not path.name.startswith(".")]
    videos = [str(path) for path in shown if path.suffix.lower() in VIDEO_SUFFIXES]
    folders = {path.parent for path in shown if path.suffix.lower() in IMAGE_SUFFIXES}
    here = PurePosixPath(prefix)
    if not videos and here in folders:
        return [f"{scheme}://{bucket}/{here}"]
    below = sorted(str(folder) for folder in folders if folder.parent == here)
    return [f"{scheme}://{bucket}/{key}" for key in [*videos, *below]]


def _named(uris: list[str]) -> list[Source]:
    """Names of results: the inputs' stems; where two are the same, with a digest of the path.

    A tyre that is called as the manifest is, or as a level or the atlas of another's is, gets a
    digest, too.
    """
    stems = [stem_of(uri) for uri in uris]
    counts = Counter(stem.lower() for stem in stems)
    return [
        renamed(Source(stem, uri))
        if counts[stem.lower()] > 1 or _is_taken(f"{stem.lower()}.json") or is_level(stem)
        else Source(stem, uri)
        for uri, stem in zip(uris, stems, strict=True)
    ]


def _is_taken(metadata: str) -> bool:
    """Whether the metadata's file is called as another file of the batch may be."""
    return metadata == MANIFEST_NAME or metadata.endswith(FLAT_RECORD)


def renamed(source: Source) -> Source:
    """The source under a name that no other input has: with a digest of its path."""
    mark = hashlib.sha256(source.uri.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return Source(f"{stem_of(source.uri)}-{mark}", source.uri)
