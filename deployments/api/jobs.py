"""Jobs: a backend's requests, which are runs of Prefect. All state is Prefect's.

A job is the run that was created for it. Where that run's process died, the service starts another
under a key derived from the job's, as a batch does; the job then stands as its latest run does.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import unicodedata
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from configs.locations import inside, parent_and_name
from deployments.api.attempts import (
    ENDED,
    FIRST,
    MADE_AGAIN_WITHIN,
    MAY_BE_MADE_AGAIN,
    Job,
    Run,
    attempt_of,
    job_of,
    jobs_of,
    owner_of,
    owner_tags,
    reference_of,
    reference_tag,
    states_of,
)
from deployments.api.callback_rules import LABEL, PENDING, callback_state, check_callback
from deployments.api.errors import ApiError, speakable
from deployments.api.job_kinds import Kind, ask_alike
from deployments.api.models import (
    JobBody,
    JobError,
    JobStatus,
    JobSummary,
    Status,
)
from deployments.api.prefect_runs import ACTIVE, WAITING, PrefectRuns
from deployments.api.remaining_time import Expected
from deployments.api.results import JobResults
from deployments.api.settings import ApiSettings
from deployments.api.tokens import Client

_Requested = tuple[UUID, str | None]
"""A job, and the client that it must belong to."""
_LOOKED_BACK = timedelta(hours=1)
"""How far a look for crashed runs overlaps the one before: clocks of machines differ."""
_LOOKED_THROUGH, _PAGES = 200, 5
"""Jobs of one request, and requests at most, for a page of those of one status."""
_WAIT_AGAIN_S = 60
_log = logging.getLogger("tyre3d.api")


class Jobs:
    """Creates jobs and reports their status.

    Args:
        kind: Their kind.
        runs: The runs of its deployment on Prefect's server.
        settings: Roots of inputs and results, and the greatest age of a reported status.
    """

    def __init__(self, kind: Kind, runs: PrefectRuns, settings: ApiSettings) -> None:
        self.kind = kind
        self._runs = runs
        self._settings = settings
        self._expected = Expected(runs)
        self._results = JobResults(kind, settings.output_roots)
        self._looks: dict[_Requested, asyncio.Task[JobStatus]] = {}
        self._outputs: weakref.WeakValueDictionary[str, asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )
        self._made_again: set[str] = set()
        self._looked_at: datetime | None = None

    async def start(self, body: JobBody, key: str | None, client: Client) -> tuple[UUID, Status]:
        """Create a job, or find the client's own with the same idempotency key.

        Raises:
            ApiError: 422 for paths that are refused; 409 if the key was used for something else,
                if another job writes to the same GLB, or if its place is taken by another's file
                or by another client's result; 429 if too many wait already, of all or of the
                client's own.
        """
        request = await asyncio.to_thread(self.kind.run_request, body, self._settings)
        parameters = request.parameters
        hidden = self._key_of(client, key) if key is not None else None
        output = _output_tag(self.kind, parameters)
        tags, labels = [output, FIRST], {}
        if body.reference is not None:
            tags.append(reference_tag(body.reference))
        if client.name:
            tags += owner_tags(client.name)
        if body.callback_url is not None:
            check_callback(body.callback_url, self._settings)
            tags.append(PENDING)
            labels[LABEL] = body.callback_url
        lock = self._outputs.setdefault(output, asyncio.Lock())
        async with lock, self._runs.admission():
            others = await self._to_write_to(output)
            for other in others:
                known = hidden is not None and other.first.get("idempotency_key") == hidden
                if not known or not self._runs.is_of_this_kind(other.first):
                    raise _in_use(other.first, client)
            if not others:  # else it is there already
                await self._check_own(parameters, client)
                await self._check_waiting(client)
            run, new = await self._runs.start(parameters, request.name, hidden, tags, labels)
            if new:
                await self._yield_to_earlier(run, output, client)
        same = ask_alike(self.kind, run["parameters"], parameters)
        same = same and _callback_of(run) == body.callback_url
        if not new and not same:
            message = "This Idempotency-Key was used for another request"
            raise ApiError(409, "idempotency-conflict", message)
        job = await self._job(run) if not new else self._of([run])
        return UUID(job.id), job.status

    async def _check_own(self, parameters: Mapping[str, Any], client: Client) -> None:
        """Refuse to replace the result of another client's job, as long as that job is known.

        What batches and commands made, and jobs without a client's name, is everybody's.

        Raises:
            ApiError: 409.
        """
        if client.owner is None:
            return
        there = await asyncio.to_thread(self._results.run_there, parameters)
        tags = await self._runs.tags_of(there) if there is not None else []
        owner = owner_of(tags)
        if owner is not None and owner != client.owner:
            message = "The result of another client's job lies there: choose another name"
            raise ApiError(409, "output-foreign", message)

    async def _check_waiting(self, client: Client) -> None:
        """Refuse more jobs of a client that would have all others wait for them.

        Raises:
            ApiError: 429.
        """
        most = self._settings.max_waiting
        if client.owner is None or most == 0:
            return
        if await self._runs.count(WAITING, tags=owner_tags(client.owner)) >= most:
            message = f"{most} of your jobs wait already: send more once some have begun"
            raise ApiError(429, "busy", message, retry_after_s=_WAIT_AGAIN_S)

    async def _to_write_to(self, output: str) -> list[Job]:
        """Jobs that have not ended and write to a place; one that crashed is made again there."""
        runs = await self._runs.with_tags([output], ACTIVE, of_any_kind=True)
        since = (self._runs.now() - MADE_AGAIN_WITHIN).isoformat()
        runs += await self._runs.with_tags([output], ended_after=since, of_any_kind=True)
        jobs = self._grouped(runs)
        return [job for job in jobs if job.status not in ENDED]

    async def _yield_to_earlier(self, run: dict[str, Any], output: str, client: Client) -> None:
        """Give way to a job that another process of the service created at the same moment."""
        others = await self._runs.with_tags([output], ACTIVE, of_any_kind=True)
        earlier = [o for o in others if (o["created"], o["id"]) < (run["created"], run["id"])]
        if earlier:
            await self._runs.take_back(UUID(run["id"]))
            raise _in_use(earlier[0], client)

    async def status(self, job_id: UUID, owner: str | None) -> JobStatus:
        """The status of a job; all who ask while it is read, and shortly after, cost one look.

        Args:
            job_id: The job.
            owner: The client that it must belong to; None: any.
        """
        look = self._looks.get((job_id, owner))
        if look is None:
            look = asyncio.ensure_future(self._read_status(job_id, owner))
            self._looks[job_id, owner] = look
            look.add_done_callback(lambda ended: self._forget_later((job_id, owner), ended))
        return await asyncio.shield(look)

    def _forget_later(self, question: _Requested, look: asyncio.Task[JobStatus]) -> None:
        def forget() -> None:
            if self._looks.get(question) is look:
                del self._looks[question]

        asyncio.get_running_loop().call_later(self._settings.poll_s, forget)

    async def listed(
        self,
        status: Status | None,
        reference: str | None,
        owner: str | None,
        limit: int,
        offset: int,
    ) -> tuple[list[JobSummary], int | None]:
        """Jobs of one client, or of all, the latest first.

        Args:
            status: How they stand; None: in any way.
            reference: What came with their requests; None: anything.
            owner: The client that they belong to; None: any.
            limit: At most so many.
            offset: From the cursor of the page before.

        Returns:
            The jobs, and the offset from which those that follow are listed, None where none do.
        """
        tags = [FIRST, *owner_tags(owner)]
        if reference is not None:
            tags.append(reference_tag(reference))
        found: list[JobSummary] = []
        size = limit if status is None else _LOOKED_THROUGH
        for _ in range(_PAGES):
            runs = await self._runs.with_tags(tags, states_of(status), limit=size, offset=offset)
            for job in await self._jobs(runs):
                if len(found) == limit:
                    return found, offset
                offset += 1
                if status is None or job.status == status:
                    found.append(self._summary(job))
            if len(runs) < size:
                return found, None
            if len(found) == limit:
                break
        return found, offset

    async def cancel(self, job_id: UUID, owner: str | None) -> JobStatus:
        """Cancel a job unless it has ended; returns its status."""
        job = await self._job(await self._runs.find(job_id, owner_tags(owner)))
        if job.status not in ENDED:
            await self._runs.cancel(UUID(job.latest["id"]), ended=job.is_made_again())
        self._looks = {
            question: look for question, look in self._looks.items() if question[0] != job_id
        }
        return await self.status(job_id, owner)

    async def file(self, job_id: UUID, owner: str | None, name: str) -> tuple[bytes, str]:
        """A file that a completed job made, and its sha256.

        Args:
            job_id: The job.
            owner: The client that it must belong to; None: any.
            name: As the job's status lists it.

        Raises:
            ApiError: 404 if it made no such file, 409 if it has not been completed, 410 if what
                lies there is no longer what it made, 503 if that cannot be told now.
        """
        status = await self.status(job_id, owner)
        if status.status != "completed":
            raise ApiError(409, "not-completed", f"The job is {status.status}")
        job = await self._job(await self._runs.find(job_id))
        return await asyncio.to_thread(self._results.file, job.attempts, name)

    async def check_reach(self, job_id: UUID) -> None:
        """Make sure that what lies where a job wrote can be looked at.

        Raises:
            ApiError: 503 where a disk, a share or S3 is away.
        """
        job = await self._job(await self._runs.find(job_id))
        await asyncio.to_thread(self._results.check_reach, job.attempts)

    async def make_again(self) -> int:
        """Start jobs again whose process died, as often as the settings allow.

        Keys derived from the job's make several processes of the service start one run only.

        Returns:
            How many were started.
        """
        if self._looked_at is None:
            await self._runs.healthy()  # and its clock is known
        now = self._runs.now()
        back = _LOOKED_BACK if self._looked_at else MADE_AGAIN_WITHIN
        since = (min(self._looked_at or now, now) - back).isoformat()
        started = 0
        for run in await self._runs.all_with_tags([], MAY_BE_MADE_AGAIN, ended_after=since):
            job = self._of([run])
            if run["id"] in self._made_again or not job.is_made_again():
                continue
            number = attempt_of(run)
            key = f"api:{job.id}:{number + 1}"
            try:
                async with self._runs.admission():
                    _, new = await self._runs.start(
                        run["parameters"], run["name"], key, job.tags_of_next()
                    )
            except ApiError as exc:
                if exc.code != "prefect-refused":
                    raise  # no other would be taken now
                # as of one that another release took; those behind it do not wait for it
                _log.error("job %s: %s", job.id, speakable(exc.message), extra={"job": job.id})
                continue
            self._made_again.add(run["id"])
            started += new
            if new:
                about = {"job": job.id}
                _log.warning(
                    "job %s: attempt %d crashed; started again", job.id, number, extra=about
                )
        self._looked_at = now
        return started

    def _of(self, attempts: list[Run]) -> Job:
        return Job(attempts, self._settings.attempts, self._runs.now())

    def _grouped(self, runs: Sequence[Run]) -> list[Job]:
        return jobs_of(runs, self._settings.attempts, self._runs.now())

    async def _job(self, first: dict[str, Any]) -> Job:
        """The job that this run is the first of."""
        (job,) = await self._jobs([first])
        return job

    async def _jobs(self, firsts: list[dict[str, Any]]) -> list[Job]:
        """The jobs that these runs are the first of, by one further request."""
        ended = [r["id"] for r in firsts if r["state_type"] in (*MAY_BE_MADE_AGAIN, "CANCELLED")]
        further = await self._runs.later_attempts(ended)
        return self._grouped([*firsts, *further])

    async def _read_status(self, job_id: UUID, owner: str | None) -> JobStatus:
        job = await self._job(await self._runs.find(job_id, owner_tags(owner)))
        run, status, attempts = job.latest, job.status, job.attempts
        details: dict[str, Any] = {"progress": 0.0}
        if status != "queued":
            current = await self._runs.progress_of(UUID(run["id"]))
            details = {"progress": current.progress, "first_word": current.first_word}
        if status == "processing":
            details["stage"] = "cancelling" if run["state_type"] == "CANCELLING" else current.stage
            if self.kind.tells_eta:
                preset = run["parameters"]["request"].get("preset", "")
                details["eta_s"] = await self._expected.eta_s(
                    preset, current.stage, current.progress
                )
        elif status == "completed":
            result = await asyncio.to_thread(self._results.result_of, attempts)
            location = {"output_path": str(self.kind.glb_of(run["parameters"]))}
            metadata = result.metadata if result is not None else location
            details |= {"progress": 1.0, "metadata": metadata, **self.kind.judged(metadata)}
            details["result_is_there"] = result is not None
            details["files"] = list(result.files) if result is not None else None
        elif status == "failed":
            failure = job.failure.to_dict()
            details["error"] = JobError(**{k: speakable(text) for k, text in failure.items()})
        return JobStatus(
            job_id=job_id,
            status=status,
            reference=reference_of(job.first),
            attempts=len(attempts),
            callback=callback_state(job.first),
            created_at=job.first["created"],
            started_at=job.first["start_time"],
            finished_at=run["end_time"] if status in ENDED else None,
            **details,
        )

    def _summary(self, job: Job) -> JobSummary:
        return JobSummary(
            job_id=UUID(job.id),
            status=job.status,
            reference=reference_of(job.first),
            output_glb_path=str(self.kind.glb_of(job.first["parameters"])),
            created_at=job.first["created"],
            finished_at=job.latest["end_time"] if job.status in ENDED else None,
        )

    def _key_of(self, client: Client, key: str) -> str:
        """The key of a run: another client's is another one."""
        text = f"{client.name}\0{key}" if client.name else key
        return f"api:{hashlib.sha256(text.encode()).hexdigest()}"


def _in_use(other: Run, client: Client) -> ApiError:
    theirs = not set(owner_tags(client.owner)) <= set(other["tags"])
    job = "Another client's job" if theirs else f"Job {job_of(other)}"
    message = f"{job} is to write to the same place; wait for it, or cancel it"
    return ApiError(409, "output-in-use", message)


def _callback_of(run: Run) -> str | None:
    return (run.get("labels") or {}).get(LABEL)


def _output_tag(kind: Kind, parameters: Mapping[str, Any]) -> str:
    """The tag of all jobs of either kind whose files would be called alike: in one JSON first.

    To a share of Windows or of a Mac ``A`` and ``a``, and two spellings of an umlaut, are one name.
    """
    location = inside(parent_and_name(kind.glb_of(parameters))[0], kind.stem_of(parameters))
    name = unicodedata.normalize("NFC", str(location)).casefold()
    return f"output:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
