"""Artifacts: what a stage made, stored under the digest of what it was made from.

``cas/<stage>/<key>/manifest.json`` is written last and only once; it lists the artifact's files,
which lie beside it in a folder named by their digest, so that two writers never mix. Every file's
size and sha256 are checked when it is read. How long the artifact took to make stands in
``seconds.json`` beside the manifest: it is no part of what was made, and of no digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.settings import Settings
from tasks.core.digests import canonical, sha256_of
from tasks.core.errors import StorageError
from tasks.storage.base import Storage, Stored, storage_errors
from tasks.storage.open import open_storage
from tasks.storage.read_cache import ReadCache
from tasks.storage.scratch import sweep, working_folder

MANIFEST = "manifest.json"
_SECONDS = "seconds.json"
_DIGEST = "digest"
_READ_CACHE = "read_cache"
_LEFTOVER_S = 2 * 24 * 3600.0
"""An upload that was begun so long ago was left behind."""


@dataclass(frozen=True)
class ArtifactRef:
    """A reference to an artifact: the URI of its manifest, the manifest's digest, bytes in all."""

    uri: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """An artifact that was read and checked: its files' folder and its record."""

    folder: Path
    record: dict[str, Any]
    files: tuple[str, ...]


@dataclass(frozen=True)
class _Manifest:
    """What ``manifest.json`` says; it holds its own digest, too."""

    folder: str
    files: dict[str, dict[str, Any]]
    record: dict[str, Any]

    def content(self, stage: str, key: str) -> bytes:
        """The file's content."""
        body = {"stage": stage, "key": key, **vars(self)}
        return canonical({**body, _DIGEST: hashlib.sha256(canonical(body)).hexdigest()})

    @classmethod
    def parse(cls, content: bytes | None) -> _Manifest | None:
        """The manifest, None where it is missing or damaged: bits flip, copies are cut short."""
        try:
            body = json.loads(content or b"")
            if body.pop(_DIGEST) != hashlib.sha256(canonical(body)).hexdigest():
                return None
            manifest = cls(body["folder"], body["files"], body["record"])
            return manifest if manifest._is_sensible() else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _is_sensible(self) -> bool:
        """Whether it is of the form that is written here, and names nothing outside its place."""
        parts = [part for name in (self.folder, *self.files) for part in name.split("/")]
        return (
            isinstance(self.record, dict)
            and not {"", ".", ".."} & set(parts)
            and all(int(e["size"]) == e["size"] >= 0 for e in self.files.values())
            and all(isinstance(e["sha256"], str) for e in self.files.values())
        )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry["size"] for entry in self.files.values())


class ArtifactStore:
    """Artifacts over any :class:`~tasks.storage.base.Storage`.

    Args:
        storage: Where the bytes lie.
        scratch: Local folder in which stages work and copies of remote files are kept.
        read_cache_bytes: Size of all those copies above which the least recently used go.
    """

    def __init__(self, storage: Storage, scratch: Path, read_cache_bytes: float = math.inf) -> None:
        self._storage = storage
        self._scratch = scratch
        self._read_cache = ReadCache(scratch / _READ_CACHE, read_cache_bytes)

    @property
    def root(self) -> str:
        """Root of the underlying storage."""
        return self._storage.root

    def find(self, stage: str, key: str) -> ArtifactRef | None:
        """The reference of a published artifact, or None. Its files are not looked at.

        A manifest that is damaged counts as none: whoever publishes the artifact replaces it.
        """
        content = self._storage.get(f"cas/{stage}/{key}/{MANIFEST}")
        manifest = _Manifest.parse(content)
        if content is None or manifest is None:
            return None
        return self._ref(stage, key, content, manifest)

    def intact(self, ref: ArtifactRef, *, afresh: bool = False) -> bool:
        """Whether the artifact is all there, unchanged (sizes and digests).

        Copies on this machine are no proof of it, for other machines have none: whether each file
        is in the storage, in its size, is looked at besides.

        Args:
            ref: The artifact.
            afresh: Whether copies are read anew, so that damage in the storage shows here, too.
        """
        try:
            self._open(ref, look=True, afresh=afresh)
        except StorageError as exc:
            if exc.code not in ("artifact-damaged", "storage-missing"):
                raise
            return False
        return True

    def open(self, ref: ArtifactRef) -> Artifact:
        """The artifact, checked.

        Raises:
            StorageError: ``artifact-damaged`` if anything is missing or changed.
        """
        return self._open(ref)

    def _open(self, ref: ArtifactRef, *, look: bool = False, afresh: bool = False) -> Artifact:
        base, manifest = self._base(ref), self._manifest(ref)
        self._storage.touch(f"{base}/{MANIFEST}")
        root: Path | None = None
        for name, entry in manifest.files.items():
            key = f"{base}/{manifest.folder}/{name}"
            path = None if afresh else self._copy(key, entry)
            if path is None:
                path = self._fetched(ref, key, name, entry)
            elif look:
                self._check_size(ref, key, name, entry)
            root = Path(str(path).removesuffix(name))
        return Artifact(root or self._read_cache.folder, manifest.record, tuple(manifest.files))

    def record(self, ref: ArtifactRef) -> dict[str, Any]:
        """What the stage said about its artifact, checked; its files are not looked at.

        Raises:
            StorageError: ``artifact-damaged`` if the manifest is missing or was changed.
        """
        return self._manifest(ref).record

    def _manifest(self, ref: ArtifactRef) -> _Manifest:
        content = self._storage.get(f"{self._base(ref)}/{MANIFEST}")
        if content is None or hashlib.sha256(content).hexdigest() != ref.sha256:
            raise _damaged(ref, "its manifest is missing or was changed")
        manifest = _Manifest.parse(content)
        if manifest is None:
            raise _damaged(ref, "its manifest cannot be read")
        return manifest

    def _copy(self, key: str, entry: Mapping[str, Any]) -> Path | None:
        return self._read_cache.find(key, lambda path: _matches(path, entry))

    def _check_size(self, ref: ArtifactRef, key: str, name: str, entry: Mapping[str, Any]) -> None:
        if self._storage.size(key) != entry["size"]:
            raise _damaged(ref, f"{name} is missing or has another size")

    def _fetched(self, ref: ArtifactRef, key: str, name: str, entry: Mapping[str, Any]) -> Path:
        """One file of an artifact, from the storage, checked."""
        self._check_size(ref, key, name, entry)
        path = self._storage.local(key, self._read_cache.folder)
        if not _matches(path, entry):
            (self._read_cache.folder / key).unlink(missing_ok=True)
            raise _damaged(ref, f"{name} was changed")
        if path.is_relative_to(self._read_cache.folder):
            self._read_cache.evict()
        return path

    def publish(self, stage: str, key: str, folder: Path, record: Mapping[str, Any]) -> ArtifactRef:
        """Store all files of ``folder`` and, last, the manifest; the first writer of a key wins."""
        files = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            files[name] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
        subfolder = hashlib.sha256(canonical(files)).hexdigest()[:16]
        base = f"cas/{stage}/{key}"
        for name in files:
            self._storage.put(f"{base}/{subfolder}/{name}", folder / name)
        manifest = _Manifest(subfolder, files, dict(record))
        content = manifest.content(stage, key)
        name = f"{base}/{MANIFEST}"
        while not self._storage.put_new(name, content):
            found = self._storage.get(name)
            theirs = _Manifest.parse(found)
            if found is not None and theirs is not None:
                if theirs.folder != subfolder:
                    self._storage.delete(f"{base}/{subfolder}")
                content, manifest = found, theirs
                break
            self._storage.delete(name)
        return self._ref(stage, key, content, manifest)

    def in_use(self, stage: str, key: str) -> bool:
        """Whether a running job has opened the artifact, where that can be told."""
        return self._storage.in_use(f"cas/{stage}/{key}/{MANIFEST}")

    def discard(self, stage: str, key: str) -> None:
        """Remove an artifact: its manifest first, so that it is never seen half-deleted."""
        self._storage.delete(f"cas/{stage}/{key}/{MANIFEST}")
        self._storage.delete(f"cas/{stage}/{key}")

    def scratch(self, stage: str) -> AbstractContextManager[Path]:
        """A fresh local folder to work in, removed afterwards."""
        return working_folder(self._scratch, stage)

    def stored(self) -> list[Stored]:
        """All objects of all artifacts."""
        return self._storage.listing("cas")

    def remove_parts(self, *, dry_run: bool = False) -> int:
        """Remove files that killed processes left half-written; returns how many there were."""
        return self._storage.remove_parts(dry_run=dry_run)

    def find_intact(self, stage: str, key: str) -> ArtifactRef | None:
        """The reference of a published artifact that is all there; a damaged one is removed."""
        found = self.find(stage, key)
        if found is None or self.intact(found):
            return found
        self.discard(stage, key)
        return None

    def make(
        self, stage: str, key: str, produce: Callable[[Path], Mapping[str, Any]]
    ) -> ArtifactRef:
        """The artifact of ``key``: found complete, or produced and published.

        Args:
            stage: The stage's name.
            key: Digest of everything that determines the artifact.
            produce: Writes the files into the folder it is given, returns the record.
        """
        found = self.find_intact(stage, key)
        if found is not None:
            return found
        with self.scratch(stage) as folder:
            started = time.perf_counter()
            record = produce(folder)
            note = {"seconds": round(time.perf_counter() - started, 3)}
            with storage_errors(self.root):
                # before the manifest, so that whoever finds the artifact finds it, too
                self._storage.write({f"cas/{stage}/{key}/{_SECONDS}": json.dumps(note).encode()})
                return self.publish(stage, key, folder, record)

    def seconds_to_make(self, ref: ArtifactRef) -> float | None:
        """How long an artifact took to make, whichever run did; None where that is not known."""
        note = self._storage.get(f"{self._base(ref)}/{_SECONDS}")
        try:
            return float(json.loads(note or b"")["seconds"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _ref(self, stage: str, key: str, content: bytes, manifest: _Manifest) -> ArtifactRef:
        uri = f"{self.root}/cas/{stage}/{key}/{MANIFEST}"
        return ArtifactRef(uri, hashlib.sha256(content).hexdigest(), manifest.size)

    def _base(self, ref: ArtifactRef) -> str:
        prefix, suffix = self.root + "/", "/" + MANIFEST
        if not ref.uri.startswith(prefix) or not ref.uri.endswith(suffix):
            raise _damaged(ref, f"it does not lie below {self.root}")
        return ref.uri.removeprefix(prefix).removesuffix(suffix)


def _matches(path: Path, entry: Mapping[str, Any]) -> bool:
    return path.stat().st_size == int(entry["size"]) and sha256_of(path) == str(entry["sha256"])


def _damaged(ref: ArtifactRef, why: str) -> StorageError:
    return StorageError(
        "artifact-damaged",
        stage="storage",
        what=f"the artifact {ref.uri} cannot be used: {why}",
        advice="Run again; it is then made again",
    )


def open_store(settings: Settings) -> ArtifactStore:
    """The artifact store that the settings name, cleared of what killed processes left behind."""
    storage = open_storage(settings.storage_root, settings)
    scratch = storage.working_folder(settings.scratch_dir)
    for folder in {scratch, settings.scratch_dir}:
        sweep(folder, keep=_READ_CACHE)
    with contextlib.suppress(StorageError):  # not every user may list uploads
        storage.abort_uploads(time.time() - _LEFTOVER_S)
    return ArtifactStore(storage, scratch, settings.read_cache_gb * 1e9)
