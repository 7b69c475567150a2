"""Results of jobs: told of by the job alone that made them, as long as they lie there unchanged."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from configs.locations import parent_and_name
from configs.settings import Settings
from deployments.api.attempts import Run
from deployments.api.errors import ApiError
from deployments.api.job_kinds import Kind, Parameters
from deployments.api.models import Judgement
from deployments.api.paths import RETRY_STORAGE_S, below
from tasks.core.errors import Tyre3dError
from tasks.storage.results import Results

METADATA = "metadata.json"
_NAMES = {".json": METADATA, ".html": "report.html", ".csv": "cells.csv"}
"""Names over the API by what follows the stem in a file's name; of others it is the name."""
_MAX_METADATA_BYTES = 4_000_000
_UNCHANGED_FOR_S = 60.0
_MAX_REMEMBERED = 2000


@dataclass(frozen=True)
class Result:
    """A result that a job made, as far as its metadata say so.

    Args:
        metadata: What they say.
        glb: Name of its GLB in the folder.
        files: Names of all its files in the folder by names over the API, the same for every tyre.
        folder: Where they lie.
        runs: Ids of the job's runs.
    """

    metadata: dict[str, Any]
    glb: str
    files: dict[str, str]
    folder: Results
    runs: tuple[str, ...]

    def read(self, name: str) -> tuple[bytes, str] | None:
        """One of ``files`` and its sha256; None where it is not, or no longer, what the job made.

        Args:
            name: Its name over the API.
        """
        try:
            content = self.folder.read(self.files[name])
        except Tyre3dError:
            return None
        if content is None:
            return None
        digest = hashlib.sha256(content).hexdigest()
        if name == METADATA:  # which cannot state its own digest, but who wrote it
            sound = _stated(content, self.runs) is not None
        else:
            digests = {
                **(self.metadata.get("files") or {}),
                self.glb: self.metadata.get("glb_sha256"),
            }
            sound = digest == digests.get(self.files[name])
        return (content, digest) if sound else None


class JobResults:
    """The results of jobs of one kind.

    Args:
        kind: Their kind.
        roots: Folders and ``s3://`` prefixes below which they lie.
    """

    def __init__(self, kind: Kind, roots: tuple[Path | str, ...]) -> None:
        self._kind = kind
        self._roots = roots
        self._unchanged: dict[tuple[str, str], float] = {}

    def result_of(self, attempts: Sequence[Run]) -> Result | None:
        """What a job made, if it lies there unchanged.

        None where it was replaced since, or where this machine cannot read it. A GLB that was
        found unchanged is not read again for a while.

        Args:
            attempts: The job's runs.
        """
        result = self._found(attempts)
        if result is None or not self._is_reportable(result):
            return None
        glb = str(result.folder.location(result.glb))
        key, now = (glb, str(result.metadata.get("glb_sha256"))), time.monotonic()
        if self._unchanged.get(key, 0.0) < now:
            if result.read(self._kind.glb_name) is None:
                return None
            if len(self._unchanged) > _MAX_REMEMBERED:
                self._unchanged = {k: v for k, v in self._unchanged.items() if v >= now}
            self._unchanged[key] = now + _UNCHANGED_FOR_S
        return result

    def file(self, attempts: Sequence[Run], name: str) -> tuple[bytes, str]:
        """A file that a job made, read anew, and its sha256.

        Args:
            attempts: The job's runs.
            name: As the job's status lists it.

        Raises:
            ApiError: 404 if it made no such file, 410 if what lies there is no longer what it made,
                503 if that cannot be told now.
        """
        result = self._found(attempts)
        if result is not None and name not in result.files:
            made = f"it made {', '.join(result.files)}"
            raise ApiError(404, "file-unknown", f"This job made no file of that name; {made}")
        file = result.read(name) if result is not None else None
        if file is None:
            self.check_reach(attempts)
            message = "What lies there is no longer what this job made, or cannot be read here"
            raise ApiError(410, "result-replaced", message)
        return file

    def check_reach(self, attempts: Sequence[Run]) -> None:
        """Make sure that what lies where a job wrote can be looked at, whatever it is.

        Args:
            attempts: The job's runs.

        Raises:
            ApiError: 503 where a disk, a share or S3 is away.
        """
        parameters = attempts[0]["parameters"]
        settings = Settings().model_copy(update={"s3_patience_s": 0.0})
        try:
            location = below(self._kind.glb_of(parameters), self._roots, "the result")
            folder = Results(parent_and_name(location)[0], settings)
            folder.read(f"{self._kind.stem_of(parameters)}.json")
        except Tyre3dError as exc:
            if exc.retryable:
                message = f"{exc.what}. {exc.advice}"
                raise ApiError(503, exc.code, message, retry_after_s=RETRY_STORAGE_S) from exc
        except ApiError as exc:
            if exc.status == 503:
                raise

    def run_there(self, parameters: Parameters) -> UUID | None:
        """The run that wrote the result which lies where a job is to write, if one says so.

        Args:
            parameters: What the run of the job is given.
        """
        folder = parent_and_name(self._kind.glb_of(parameters))[0]
        try:
            settings = Settings().model_copy(update={"s3_patience_s": 0.0})  # others wait for this
            text = Results(folder, settings).read(f"{self._kind.stem_of(parameters)}.json")
            return UUID(json.loads((text or b"{}")[:_MAX_METADATA_BYTES])["run_id"])
        except (Tyre3dError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def _found(self, attempts: Sequence[Run]) -> Result | None:
        """What the metadata that lie there say, if a run of this job wrote them."""
        parameters, runs = attempts[0]["parameters"], tuple(run["id"] for run in attempts)
        location, stem = self._kind.glb_of(parameters), self._kind.stem_of(parameters)
        glb = parent_and_name(location)[1]
        try:
            parent, _ = parent_and_name(below(location, self._roots, "the result"))
            folder = Results(parent, Settings())
            metadata = _stated(folder.read(f"{stem}.json") or b"", runs)
        except (Tyre3dError, ApiError):
            return None
        if metadata is None:
            return None
        known = {**_NAMES, glb.removeprefix(stem): self._kind.glb_name}
        names = dict.fromkeys([glb, f"{stem}.json", *(metadata.get("files") or {})])
        suffixes = [name.removeprefix(stem) for name in names if name.startswith(stem)]
        files = {known.get(s, s.removeprefix(".")): f"{stem}{s}" for s in suffixes}
        return Result(metadata, glb, files, folder, runs)

    def _is_reportable(self, result: Result) -> bool:
        """Whether its verdict is one that a status tells.

        It is not where metadata are damaged, or of a release that says what this one does not know.
        """
        try:
            Judgement.model_validate(self._kind.judged(result.metadata))
        except (ValidationError, TypeError, KeyError, AttributeError):
            return False
        return True


def _stated(text: bytes, runs: Sequence[str]) -> dict[str, Any] | None:
    """Metadata, if one of these runs wrote them."""
    try:
        found = dict(json.loads(text[:_MAX_METADATA_BYTES]))
        json.dumps(found, ensure_ascii=False).encode()  # halves of characters no answer can hold
    except (ValueError, TypeError, RecursionError):
        return None
    theirs = found.get("run_id") not in runs
    return None if theirs or not isinstance(found.get("files", {}), dict) else found
