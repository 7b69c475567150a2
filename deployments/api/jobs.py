"""Jobs: a backend's requests, which are runs of Prefect. All state is Prefect's.

A job is the run that was created for it. Where that run's process died, the service starts another
under a key derived from the job's, as a batch does; the job then stands as its latest run does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from configs.locations import as_location, metadata_of, parent_and_name, stem_of
from configs.request import ReconstructRequest
from configs.settings import Settings
from deployments.api.callback_rules import LABEL, PENDING, callback_state, check_callback
from deployments.api.errors import ApiError
from deployments.api.expected import Expected
from deployments.api.models import JobError, JobStatus, JobSummary, ReconstructBody, Status
from deployments.api.paths import below, input_below, output_below
from deployments.api.prefect_runs import ACTIVE, TAG, PrefectRuns
from deployments.api.settings import ApiSettings
from deployments.api.tokens import Client
from tasks.core.errors import Tyre3dError
from tasks.core.failures import Failure, failure_of_state
from tasks.storage.results import Results, check_replaceable

ENDED = ("completed", "failed")
GLB, METADATA = "mesh.glb", "metadata.json"
"""Names that the files of all jobs have over the API."""
_SUFFIXES = {GLB: ".glb", METADATA: ".json", "report.html": ".html"}
"""What follows the stem of the GLB in their names; of others it is a point and the name."""
_MAX_METADATA_BYTES = 4_000_000
_MAX_CACHED = 2000
"""Statuses in the cache from which on those that are too old are removed."""
_UNCHANGED_FOR_S = 60.0
_MADE_AGAIN_WITHIN = timedelta(days=1)
"""Runs that ended longer ago are not started again: whoever wanted them has turned elsewhere."""
_STATUS: dict[str, Status] = {
    "RUNNING": "processing",
    "CANCELLING": "processing",
    "COMPLETED": "completed",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "failed",
}
_FAILED = ("CRASHED", "FAILED")
_FIRST = "attempt:1"
_log = logging.getLogger("tyre3d.api")


class Jobs:
    """Creates jobs and reports their status.

    Args:
        runs: The runs of the deployment on Prefect's server.
        settings: Roots of inputs and results, and the greatest age of a reported status.
    """

    def __init__(self, runs: PrefectRuns, settings: ApiSettings) -> None:
        self._runs = runs
        self._settings = settings
        self._expected = Expected(runs)
        self._cache: dict[tuple[UUID, str | None], tuple[float, asyncio.Task[JobStatus]]] = {}
        self._outputs: weakref.WeakValueDictionary[str, asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )
        self._made_again: set[str] = set()
        self._unchanged: dict[str, float] = {}

    async def start(
        self, body: ReconstructBody, key: str | None, client: Client
    ) -> tuple[UUID, Status]:
        """Create a job, or find the client's own with the same idempotency key.

        Raises:
            ApiError: 422 for paths that are refused; 409 if the key was used for something else,
                if another job writes to the same GLB, or if its place is taken by another's file;
                429 if too many wait already.
        """
        request = await asyncio.to_thread(self._request, body)
        parameters = {"request": request.model_dump(mode="json"), "tyre": request.stem}
        hidden = _key_of(client, key) if key is not None else None
        output = _output_tag(request.glb_path)
        tags, labels = [output, _FIRST], {}
        if body.reference is not None:
            tags.append(_reference_tag(body.reference))
        if client.name:
            tags.append(_owner_tag(client.name))
        if body.callback_url is not None:
            check_callback(body.callback_url, self._settings)
            tags.append(PENDING)
            labels[LABEL] = body.callback_url
        lock = self._outputs.setdefault(output, asyncio.Lock())
        async with lock, self._runs.admission():
            for other in await self._runs.with_tags([output], ACTIVE):
                if hidden is None or other.get("idempotency_key") != hidden:
                    raise _in_use(other, client)
            name = f"reconstruct-{request.stem}"
            run, new = await self._runs.start(parameters, name, hidden, tags, labels)
            if new:
                await self._yield_to_earlier(run, output, client)
        same = run["parameters"] == parameters and _callback_of(run) == body.callback_url
        if not new and not same:
            message = "This Idempotency-Key was used for another request"
            raise ApiError(409, "idempotency-conflict", message)
        return UUID(run["id"]), _STATUS.get(run["state_type"], "queued")

    async def _yield_to_earlier(self, run: dict[str, Any], output: str, client: Client) -> None:
        """Give way to a job that another process of the service created at the same moment."""
        others = await self._runs.with_tags([output], ACTIVE)
        earlier = [o for o in others if (o["created"], o["id"]) < (run["created"], run["id"])]
        if earlier:
            await self._runs.cancel(UUID(run["id"]), "Another job writes to the same GLB")
            raise _in_use(earlier[0], client)

    def _request(self, body: ReconstructBody) -> ReconstructRequest:
        """The flow's request, once its paths are let through."""
        is_video = body.video is not None
        source = input_below(body.source, self._settings.input_roots, is_video=is_video)
        glb = output_below(body.output_glb_path, self._settings.output_roots)
        if isinstance(glb, Path):  # what lies in a bucket the run looks at
            try:
                check_replaceable(Results(glb.parent, Settings()), f"{glb.stem}.json")
            except Tyre3dError as exc:
                raise ApiError(409, exc.code, f"{exc.what}. {exc.advice}") from exc
        options = body.model_dump(include=set(ReconstructRequest.model_fields))
        return ReconstructRequest(input=source, glb_path=glb, **options)

    async def status(self, job_id: UUID, owner: str | None) -> JobStatus:
        """The status of a job; simultaneous requests for it cost Prefect one request.

        Args:
            job_id: The job.
            owner: The client that it must belong to; None: any.
        """
        now = time.monotonic()
        until, task = self._cache.get((job_id, owner), (0.0, None))
        if task is None or until < now:
            if len(self._cache) > _MAX_CACHED:
                self._cache = {k: v for k, v in self._cache.items() if v[0] >= now}
            task = asyncio.ensure_future(self._read_status(job_id, owner))
            self._cache[job_id, owner] = (now + self._settings.poll_s, task)
        return await asyncio.shield(task)

    async def listed(
        self,
        status: Status | None,
        reference: str | None,
        owner: str | None,
        limit: int,
        offset: int,
    ) -> list[JobSummary]:
        """Jobs of one client, or of all, the latest first, as their first runs stand."""
        tags = [_FIRST, _owner_tag(owner)]
        if reference is not None:
            tags.append(_reference_tag(reference))
        states = [s for s in (*ACTIVE, *_STATUS) if _STATUS.get(s, "queued") == status]
        runs = await self._runs.with_tags(
            tags, sorted(set(states)) if status else (), limit=limit, offset=offset
        )
        return [
            JobSummary(
                job_id=run["id"],
                status=_STATUS.get(run["state_type"], "queued"),
                reference=_reference_of(run),
                output_glb_path=run["parameters"]["request"]["glb_path"],
                created_at=run["created"],
                finished_at=run["end_time"],
            )
            for run in runs
        ]

    async def cancel(self, job_id: UUID, owner: str | None) -> JobStatus:
        """Cancel a job unless it has ended; returns its status."""
        status = await self._read_status(job_id, owner)
        if status.status not in ENDED:
            latest = (await self._attempts(await self._runs.find(job_id)))[-1]
            await self._runs.cancel(UUID(latest["id"]))
        self._cache = {k: v for k, v in self._cache.items() if k[0] != job_id}
        return await self.status(job_id, owner)

    async def file(self, job_id: UUID, owner: str | None, name: str) -> tuple[bytes, str]:
        """A file that a completed job made, and its sha256.

        Args:
            job_id: The job.
            owner: The client that it must belong to; None: any.
            name: As the job's status lists it.

        Raises:
            ApiError: 404 if it made no such file, 409 if it has not been completed, 410 if what
                lies there is no longer what it made.
        """
        status = await self.status(job_id, owner)
        if status.status != "completed":
            raise ApiError(409, "not-completed", f"The job is {status.status}")
        attempts = await self._attempts(await self._runs.find(job_id))
        found, known = await asyncio.to_thread(self._file, attempts, name)
        if known is not None and name not in known:
            made = f"it made {', '.join(known)}"
            raise ApiError(404, "file-unknown", f"This job made no file of that name; {made}")
        if found is None:
            message = "What lies there is no longer what this job made, or cannot be read here"
            raise ApiError(410, "result-replaced", message)
        return found

    async def make_again(self) -> int:
        """Start jobs again whose process died, as often as the settings allow.

        Keys derived from the job's make several processes of the service start one run only.

        Returns:
            How many were started.
        """
        since = (datetime.now(UTC) - _MADE_AGAIN_WITHIN).isoformat()
        started = 0
        for run in await self._runs.with_tags([], _FAILED, ended_after=since):
            number = _attempt_of(run)
            if run["id"] in self._made_again or not self._can_be_made_again(run):
                continue
            job = _job_of(run)
            kept = [t for t in run["tags"] if t.startswith(("output:", "reference:", "by:"))]
            tags = [*kept, f"job:{job}", f"attempt:{number + 1}"]
            async with self._runs.admission():
                _, new = await self._runs.start(
                    run["parameters"], run["name"], f"api:{job}:{number + 1}", tags
                )
            self._made_again.add(run["id"])
            started += new
            if new:
                _log.warning(
                    "job %s: attempt %d crashed; started again", job, number, extra={"job": job}
                )
        return started

    def _can_be_made_again(self, run: dict[str, Any]) -> bool:
        return _failure(run).retryable and _attempt_of(run) < self._settings.attempts

    async def _attempts(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """All runs of a job in order, the first given."""
        if run["state_type"] not in (*_FAILED, "CANCELLED"):
            return [run]
        further = await self._runs.with_tags([f"job:{run['id']}"])
        return [run, *sorted(further, key=_attempt_of)]

    async def _read_status(self, job_id: UUID, owner: str | None) -> JobStatus:
        first = await self._runs.find(job_id, _owner_tag(owner))
        attempts = await self._attempts(first)
        run = attempts[-1]
        state = run["state_type"] or "SCHEDULED"
        status = _STATUS.get(state, "queued")
        details: dict[str, Any] = {"progress": 0.0}
        if status == "failed" and self._can_be_made_again(run):
            status = "queued"  # make_again is about to start it
        if status != "queued":
            told = await self._runs.told(UUID(run["id"]))
            details = {"progress": told.progress, "first_word": told.first_word}
        if status == "processing":
            details["stage"] = "cancelling" if state == "CANCELLING" else told.stage
            preset = run["parameters"]["request"].get("preset", "")
            details["eta_s"] = await self._expected.eta_s(preset, told.stage, told.progress)
        elif status == "completed":
            found = await asyncio.to_thread(self._metadata, attempts)
            metadata = found or {"output_path": run["parameters"]["request"]["glb_path"]}
            judged = {name: metadata.get(name) for name in ("verdict", "reasons", "retake")}
            details |= {"progress": 1.0, "metadata": metadata, **judged}
            details["result_is_there"] = found is not None
            details["files"] = list(_files(attempts, found)) if found is not None else None
        elif status == "failed":
            details["error"] = JobError(**_failure(run).to_dict())
        return JobStatus(
            job_id=job_id,
            status=status,
            reference=_reference_of(first),
            attempts=len(attempts),
            callback=callback_state(first),
            created_at=first["created"],
            started_at=first["start_time"],
            finished_at=run["end_time"] if status in ENDED else None,
            **details,
        )

    def _metadata(self, attempts: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The metadata of a job's result, if what lies there is what this job made, unchanged.

        None where it was replaced since, or where this machine cannot read it. A GLB that was
        found unchanged is not read again for a while.
        """
        found = self._stated(attempts)
        if found is None:
            return None
        digest, now = str(found.get("glb_sha256")), time.monotonic()
        if self._unchanged.get(digest, 0.0) < now:
            if self._file(attempts, GLB)[0] is None:
                return None
            if len(self._unchanged) > _MAX_CACHED:
                self._unchanged = {k: v for k, v in self._unchanged.items() if v >= now}
            self._unchanged[digest] = now + _UNCHANGED_FOR_S
        return found

    def _file(
        self, attempts: list[dict[str, Any]], name: str
    ) -> tuple[tuple[bytes, str] | None, list[str] | None]:
        """A file and its sha256, read anew, and the names of all; None for what is not there."""
        found = self._stated(attempts)
        if found is None:
            return None, None
        files = _files(attempts, found)
        if name not in files:
            return None, list(files)
        try:
            results, _ = self._place(attempts)
            content = results.read(files[name])
        except (Tyre3dError, ApiError):
            return None, list(files)
        digest = hashlib.sha256(content or b"").hexdigest()
        if name == METADATA:  # which cannot state its own digest, but who wrote it
            sound = content is not None and _states(content, attempts) is not None
        else:
            stated = {**(found.get("files") or {}), _glb_name(attempts): found.get("glb_sha256")}
            sound = digest == stated.get(files[name])
        return ((content, digest) if content is not None and sound else None), list(files)

    def _stated(self, attempts: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The metadata that lie there, if a run of this job wrote them."""
        try:
            results, name = self._place(attempts)
            text = results.read(parent_and_name(metadata_of(name))[1])
        except (Tyre3dError, ApiError):
            return None
        return _states(text or b"", attempts)

    def _place(self, attempts: list[dict[str, Any]]) -> tuple[Results, str]:
        """Folder and name of the GLB.

        Raises:
            ApiError: It no longer lies below a root.
        """
        glb = as_location(attempts[0]["parameters"]["request"]["glb_path"])
        folder, name = parent_and_name(below(glb, self._settings.output_roots, "the result"))
        return Results(folder, Settings()), name


def _states(text: bytes, attempts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Metadata, if one of these runs wrote them."""
    try:
        found = dict(json.loads(text[:_MAX_METADATA_BYTES]))
    except (ValueError, TypeError, RecursionError):
        return None
    return found if found.get("run_id") in [run["id"] for run in attempts] else None


def _glb_name(attempts: list[dict[str, Any]]) -> str:
    return parent_and_name(as_location(attempts[0]["parameters"]["request"]["glb_path"]))[1]


def _files(attempts: list[dict[str, Any]], metadata: dict[str, Any]) -> dict[str, str]:
    """Names in the folder of results by names over the API, which are the same for every tyre."""
    glb = _glb_name(attempts)
    stem, known = stem_of(glb), {suffix: name for name, suffix in _SUFFIXES.items()}
    stated = metadata.get("files")
    files = [glb, f"{stem}.json", *(stated if isinstance(stated, dict) else ())]
    suffixes = [each.removeprefix(stem) for each in dict.fromkeys(files) if each.startswith(stem)]
    return {known.get(s, s.removeprefix(".")): f"{stem}{s}" for s in suffixes}


def _in_use(other: dict[str, Any], client: Client) -> ApiError:
    theirs = client.owner is not None and _owner_tag(client.owner) not in other["tags"]
    job = "Another client's job" if theirs else f"Job {other['id']}"
    message = f"{job} is to write to this output_glb_path; wait for it, or cancel it"
    return ApiError(409, "output-in-use", message)


def _key_of(client: Client, key: str) -> str:
    """The key of a run: another client's is another one."""
    told = f"{client.name}\0{key}" if client.name else key
    return f"api:{hashlib.sha256(told.encode()).hexdigest()}"


def _owner_tag(owner: str | None) -> str:
    """The tag of a client's jobs; of all clients' where none is given."""
    return TAG if owner is None else f"by:{owner}"


def _callback_of(run: dict[str, Any]) -> str | None:
    return (run.get("labels") or {}).get(LABEL)


def _output_tag(glb: Path | str) -> str:
    return f"output:{hashlib.sha256(str(glb).encode()).hexdigest()[:32]}"


def _reference_tag(reference: str) -> str:
    return f"reference:{reference}"


def _reference_of(run: dict[str, Any]) -> str | None:
    found = (t for t in run["tags"] if t.startswith("reference:"))
    return next((tag.partition(":")[2] for tag in found), None)


def _attempt_of(run: dict[str, Any]) -> int:
    numbers = (t.partition(":")[2] for t in run["tags"] if t.startswith("attempt:"))
    return next((int(number) for number in numbers if number.isdecimal()), 1)


def _job_of(run: dict[str, Any]) -> str:
    found = (str(t).partition(":")[2] for t in run["tags"] if t.startswith("job:"))
    return next(found, str(run["id"]))


def _failure(run: dict[str, Any]) -> Failure:
    return failure_of_state(run["state_type"], (run["state"] or {}).get("message"))
