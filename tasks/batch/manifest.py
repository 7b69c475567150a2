"""A batch's inputs, and its manifest: what became of every one of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version as package_version
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from configs.locations import as_place, metadata_of, parent_and_name
from configs.request import ReconstructOptions, ReconstructRequest
from configs.settings import Settings
from tasks.core.errors import InputError
from tasks.storage.artifacts import canonical
from tasks.storage.inputs import VIDEO_SUFFIXES, pictures_in
from tasks.storage.results import Results, finite
from tasks.storage.s3 import S3Objects

MANIFEST_NAME = "batch.json"
EntryState = Literal["pending", "completed", "failed"]


@dataclass(frozen=True)
class Source:
    """One tyre of a batch.

    Args:
        name: Of its result, unique in the batch.
        uri: A path, or ``s3://bucket/key``.
    """

    name: str
    uri: str

    @property
    def place(self) -> Path | str:
        """As a request names it."""
        return as_place(self.uri)


def find_sources(inputs: Sequence[str], settings: Settings) -> list[Source]:
    """Every tyre that the inputs name, in order, each once.

    A file is taken as it is, even if it is missing (then it fails alone). A folder stands for the
    videos and the folders of pictures in it; a folder with pictures and no video is one tyre.

    Args:
        inputs: Files, folders, ``s3://bucket/prefix``.
        settings: How S3 is reached.

    Raises:
        InputError: ``batch-empty`` if there is nothing in all of them.
    """
    uris: dict[str, None] = {}
    for given in inputs:
        if given.startswith("s3://"):
            uris.update(dict.fromkeys(_in_bucket(given, settings)))
            continue
        path = Path(given).expanduser().absolute()
        found = _in_folder(path) if path.is_dir() else [path]
        uris.update(dict.fromkeys(str(p) for p in found))
    if not uris:
        raise InputError(
            "batch-empty",
            stage="batch",
            what=f"no video and no folder of pictures in {', '.join(inputs)}",
            advice=f"Videos end in {', '.join(VIDEO_SUFFIXES)}",
        )
    return _named(list(uris))


def _in_folder(folder: Path) -> list[Path]:
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    videos = [p for p in entries if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file()]
    if not videos and pictures_in(folder):
        return [folder]
    return videos + [p for p in entries if p.is_dir() and pictures_in(p)]


def _in_bucket(uri: str, settings: Settings) -> list[str]:
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    if not prefix:
        raise InputError(
            "batch-prefix",
            stage="batch",
            what=f"{uri} names a whole bucket",
            advice="Give a prefix in it: s3://bucket/prefix",
        )
    if PurePosixPath(prefix).suffix.lower() in VIDEO_SUFFIXES:
        return [uri]
    keys = S3Objects(f"s3://{bucket}", settings).keys(prefix)
    wanted = (k for k in keys if PurePosixPath(k).suffix.lower() in VIDEO_SUFFIXES)
    return [f"s3://{bucket}/{key}" for key in wanted]


def _named(uris: list[str]) -> list[Source]:
    """Names of results: the inputs' stems; where two are the same, with a digest of the path."""
    stems = [PurePosixPath(uri).stem for uri in uris]
    counts: dict[str, int] = {}
    for stem in stems:
        counts[stem.lower()] = counts.get(stem.lower(), 0) + 1
    return [
        Source(
            stem
            if counts[stem.lower()] == 1
            else f"{stem}-{hashlib.sha256(uri.encode()).hexdigest()[:8]}",
            uri,
        )
        for uri, stem in zip(uris, stems, strict=True)
    ]


def fingerprint(digest: str, options: ReconstructOptions) -> str:
    """What a result was made from: input, effective options, release. The device does not count.

    Args:
        digest: Of the input.
        options: How the mesh is made; a request counts only by its options.
    """
    request = {"input", "glb_path", "preset", "num_frames", "mc_resolution", "device"}
    recipe = {
        **options.model_dump(mode="json", exclude=request),
        "frames": options.chosen_frames,
        "resolution": options.resolution,
        "digest": digest,
        "release": package_version("tyre3d"),
    }
    return hashlib.sha256(canonical(recipe)).hexdigest()


@dataclass(frozen=True)
class Entry:
    """What became of one tyre."""

    name: str
    input: str
    state: EntryState = "pending"
    fingerprint: str = ""
    glb: str = ""
    glb_sha256: str = ""
    metadata: str = ""
    error: dict[str, str] | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    attempts: int = 0
    found_finished: bool = False
    flow_run_id: str = ""
    flow_run_url: str = ""

    def finished(self, wanted: str, results: Results) -> bool:
        """Whether the result of ``wanted``, a fingerprint, is there and unchanged."""
        if self.state != "completed" or self.fingerprint != wanted:
            return False
        if self.glb != str(results.place(f"{self.name}.glb")):
            return False
        glb, metadata = results.read(f"{self.name}.glb"), results.read(f"{self.name}.json")
        return glb is not None and metadata is not None and _digest(glb) == self.glb_sha256


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def completed(entry: Entry, request: ReconstructRequest, results: Results) -> Entry:
    """The entry of a tyre whose result lies where ``request`` wants it.

    Raises:
        InputError: ``result-missing`` where this machine does not see the result.
    """
    glb, metadata = request.glb_path, metadata_of(request.glb_path)
    text = results.read(parent_and_name(metadata)[1])
    content = results.read(parent_and_name(glb)[1])
    if text is None or content is None:
        raise InputError(
            "result-missing",
            stage="batch",
            what=f"the run succeeded, but {glb} or its metadata cannot be read here",
            advice="Give an output folder that the batch and all workers share",
        )
    told = json.loads(text)
    figures = {k: told[k] for k in ("num_vertices", "num_faces", "num_frames") if k in told}
    return replace(
        entry,
        state="completed",
        glb=str(glb),
        glb_sha256=_digest(content),
        metadata=str(metadata),
        figures={**figures, **dict(told.get("figures", {}))},
        warnings=list(told.get("warnings", [])),
    )


class Manifest:
    """``batch.json``, written anew whenever an entry changes.

    Args:
        results: Where it lies.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.before = self._read()
        self.entries: dict[str, Entry] = {}

    def _read(self) -> dict[str, Entry]:
        """Entries of an earlier run; a manifest that cannot be read counts as none."""
        try:
            told = json.loads(self._results.read(MANIFEST_NAME) or b"")
            return {e["name"]: Entry(**e) for e in told["tyres"]}
        except (ValueError, KeyError, TypeError):
            return {}

    def put(self, entry: Entry) -> None:
        """Replace the entry of its name, and write."""
        self.entries[entry.name] = entry
        self.write()

    def counts(self) -> dict[str, int]:
        """How many entries are in each state."""
        states = [e.state for e in self.entries.values()]
        return {s: states.count(s) for s in ("completed", "failed", "pending")}

    def write(self) -> None:
        """Write the file, completely or not at all; earlier entries of other tyres are kept."""
        kept = {n: e for n, e in self.before.items() if n not in self.entries}
        content = {
            "counts": self.counts(),
            "tyres": [asdict(e) for e in [*self.entries.values(), *kept.values()]],
        }
        text = json.dumps(finite(content), indent=2, ensure_ascii=False) + "\n"
        self._results.write({MANIFEST_NAME: text.encode()})
