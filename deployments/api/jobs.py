"""Jobs: a backend's requests, which are runs of Prefect. All state is Prefect's."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from configs.locations import as_location, metadata_of, parent_and_name
from configs.request import ReconstructRequest
from configs.settings import Settings
from deployments.api.models import JobError, JobStatus, ReconstructBody, Status
from deployments.api.prefect_runs import ApiError, PrefectRuns
from deployments.api.settings import ApiSettings
from tasks.core.errors import Tyre3dError
from tasks.core.failures import failure_of_state
from tasks.storage.results import Results

ENDED = ("completed", "failed")
_MAX_METADATA_BYTES = 4_000_000
_MAX_CACHED = 2000
"""Statuses in the cache from which on those that are too old are removed."""
_STATUS: dict[str, Status] = {
    "RUNNING": "processing",
    "CANCELLING": "processing",
    "COMPLETED": "completed",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "failed",
}


def below(location: Path | str, roots: tuple[Path | str, ...], field: str) -> Path | str:
    """The location, links of a path resolved, if it lies below one of the roots.

    Args:
        location: A path, or an ``s3://`` address.
        roots: Folders and ``s3://`` prefixes.
        field: The field of the request that holds the location, for the message.

    Raises:
        ApiError: 422 if it does not; the message does not reveal what lies elsewhere.
    """
    if isinstance(location, str):
        if any(isinstance(root, str) and location.startswith(f"{root}/") for root in roots):
            return location
    elif location.is_absolute() and "\0" not in str(location):
        real = location.resolve()
        folders = [root.resolve() for root in roots if isinstance(root, Path)]
        if any(real.is_relative_to(folder) and real != folder for folder in folders):
            return real
    raise ApiError(422, "path-refused", f"{field} must be an absolute path below a configured root")


class Jobs:
    """Creates jobs and reports their status.

    Args:
        runs: The runs of the deployment on Prefect's server.
        settings: Roots of inputs and results, and the greatest age of a reported status.
    """

    def __init__(self, runs: PrefectRuns, settings: ApiSettings) -> None:
        self._runs = runs
        self._settings = settings
        self._cache: dict[UUID, tuple[float, asyncio.Task[JobStatus]]] = {}

    async def start(self, body: ReconstructBody, key: str | None) -> tuple[UUID, Status]:
        """Create a job, or find the one with the same idempotency key.

        Raises:
            ApiError: 422 for paths that are refused, 409 if the key was used for something else.
        """
        source = below(body.source, self._settings.input_roots, "the input")
        glb = below(body.output_glb_path, self._settings.output_roots, "output_glb_path")
        name = parent_and_name(glb)[1]
        if not name.endswith(".glb") or name.startswith("."):
            raise ApiError(422, "path-refused", "output_glb_path must end in .glb")
        if isinstance(source, Path):
            if not source.exists():
                raise ApiError(422, "input-missing", f"{source} does not exist")
            if body.video is not None and not source.is_file():
                raise ApiError(422, "path-refused", f"{source} is not a video")
        options = body.model_dump(exclude={"preprocessing_output_dir", "video", "output_glb_path"})
        request = ReconstructRequest(input=source, glb_path=glb, **options)
        parameters = {"request": request.model_dump(mode="json"), "tyre": request.stem}
        hidden = f"api:{hashlib.sha256(key.encode()).hexdigest()}" if key is not None else None
        run, new = await self._runs.start(parameters, f"reconstruct-{request.stem}", hidden)
        if not new and run["parameters"] != parameters:
            message = "This Idempotency-Key was used for another request"
            raise ApiError(409, "idempotency-conflict", message)
        return UUID(run["id"]), _STATUS.get(run["state_type"], "queued")

    async def status(self, job_id: UUID) -> JobStatus:
        """The status of a job; simultaneous requests for it cost Prefect one request."""
        now = time.monotonic()
        until, task = self._cache.get(job_id, (0.0, None))
        if task is None or until < now:
            if len(self._cache) > _MAX_CACHED:
                self._cache = {k: v for k, v in self._cache.items() if v[0] >= now}
            task = asyncio.ensure_future(self._read_status(job_id))
            self._cache[job_id] = (now + self._settings.poll_s, task)
        return await asyncio.shield(task)

    async def cancel(self, job_id: UUID) -> JobStatus:
        """Cancel a job unless it has ended; returns its status."""
        status = await self._read_status(job_id)
        if status.status not in ENDED:
            await self._runs.cancel(job_id)
        self._cache.pop(job_id, None)
        return await self.status(job_id)

    async def _read_status(self, job_id: UUID) -> JobStatus:
        run = await self._runs.find(job_id)
        state = run["state_type"] or "SCHEDULED"
        status = _STATUS.get(state, "queued")
        details: dict[str, Any] = {"progress": 0.0}
        if status == "processing":
            share, stage = await self._runs.progress(job_id)
            stage = "cancelling" if state == "CANCELLING" else stage
            details = {"progress": share, "stage": stage}
        elif status == "completed":
            details = {"progress": 1.0, "metadata": await asyncio.to_thread(self._metadata, run)}
        elif status == "failed":
            share, _ = await self._runs.progress(job_id)
            failure = failure_of_state(state, (run["state"] or {}).get("message"))
            details = {"progress": share, "error": JobError(**failure.to_dict())}
        return JobStatus(
            job_id=job_id,
            status=status,
            created_at=run["created"],
            started_at=run["start_time"],
            finished_at=run["end_time"],
            **details,
        )

    def _metadata(self, run: dict[str, Any]) -> dict[str, Any]:
        """The metadata beside the GLB; only its path where this machine cannot read them."""
        glb = as_location(run["parameters"]["request"]["glb_path"])
        try:
            location = below(metadata_of(glb), self._settings.output_roots, "the result")
            folder, name = parent_and_name(location)
            content = Results(folder, Settings()).read(name) or b""
            return dict(json.loads(content[:_MAX_METADATA_BYTES]))
        except (Tyre3dError, ValueError, ApiError):
            return {"output_path": str(glb)}
