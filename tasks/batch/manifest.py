"""A batch's manifest: what became of every tyre."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version as package_version
from typing import Any, Literal

from configs.locations import metadata_of, parent_and_name
from configs.request import MeshOptions, ReconstructRequest
from tasks.batch.sources import MANIFEST_NAME
from tasks.core.digests import canonical
from tasks.core.errors import InputError
from tasks.core.failures import why_of
from tasks.storage.results import Results, finite

EntryState = Literal["pending", "completed", "failed"]


def fingerprint(digest: str, options: MeshOptions) -> str:
    """What a result was made from: input, effective options, release. The device does not count.

    Args:
        digest: The input's digest, or mark.
        options: How the mesh is made; a request counts only by its options.
    """
    request = {"input", "glb_path", "preset", "num_frames", "mc_resolution", "device"}
    if not options.parameters:  # as before there were any: what is finished stays so
        request |= {"parameters"}
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
    """What became of one tyre; verdict and reasons are those of its mesh.

    ``reasons`` are codes, ``sentences`` say the same in words.
    """

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
    verdict: str = ""
    reasons: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    seconds: float = 0.0
    attempts: int = 0
    found_finished: bool = False
    flow_run_id: str = ""
    flow_run_url: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Entry:
        """What a manifest says of it; what a newer release says besides is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})

    @property
    def why(self) -> tuple[str, ...]:
        """Why there is no result, or what speaks against it."""
        return why_of(self.error, self.reasons, self.sentences)

    def finished(self, expected: str, results: Results) -> bool:
        """Whether the result of the fingerprint ``expected`` is there and unchanged."""
        if self.state != "completed" or self.fingerprint != expected:
            return False
        if self.glb != str(results.location(f"{self.name}.glb")):
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
    record = json.loads(text)
    figures = {k: record[k] for k in ("num_vertices", "num_faces", "num_frames") if k in record}
    figures |= dict(record.get("figures", {}))
    judged = dict(record.get("evidence", {}))  # as the report: where both have one, what was judged
    return replace(
        entry,
        state="completed",
        glb=str(glb),
        glb_sha256=_digest(content),
        metadata=str(metadata),
        figures=figures | {k: v for k, v in judged.items() if k in figures},
        warnings=list(record.get("warnings", [])),
        verdict=str(record.get("verdict", "")),
        reasons=[reason["code"] for reason in record.get("reasons", [])],
        sentences=[reason["message"] for reason in record.get("reasons", [])],
    )


class Manifest:
    """``batch.json``, written anew whenever an entry changes.

    Args:
        results: The folder in which it lies.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.before = self._read()
        self.entries: dict[str, Entry] = {}

    def _read(self) -> dict[str, Entry]:
        """Entries of an earlier run; a manifest that cannot be read counts as none."""
        try:
            content = json.loads(self._results.read(MANIFEST_NAME) or b"")
            return {e["name"]: Entry.of(e) for e in content["tyres"]}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def put(self, entry: Entry) -> None:
        """Replace the entry of its name, and write."""
        self.entries[entry.name] = entry
        self.write()

    def counts(self) -> dict[str, int]:
        """How many entries are in each state."""
        states = [e.state for e in self.entries.values()]
        return {s: states.count(s) for s in ("completed", "failed", "pending")}

    def all_entries(self) -> list[Entry]:
        """The entries, and after them earlier ones of other tyres."""
        kept = {n: e for n, e in self.before.items() if n not in self.entries}
        return [*self.entries.values(), *kept.values()]

    def write(self) -> None:
        """Write the file, completely or not at all; earlier entries of other tyres are kept."""
        tyres = [asdict(e) for e in self.all_entries()]
        content = {"counts": self.counts(), "tyres": tyres}
        text = json.dumps(finite(content), indent=2, ensure_ascii=False) + "\n"
        # half characters, of names that are no UTF-8, are written as JSON writes them
        self._results.write({MANIFEST_NAME: text.encode("utf-8", "backslashreplace")})


def latest_entries(results: Results) -> list[Entry]:
    """The entries of the batch that wrote the manifest last; in the file earlier ones follow."""
    content = json.loads(results.read(MANIFEST_NAME) or b"")
    return [Entry.of(e) for e in content["tyres"][: sum(content["counts"].values())]]
