"""Many tyres: one result each, every one accounted for, only what is missing made."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import State, flow
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed
from prefect.utilities.urls import url_for

from configs.locations import inside
from configs.request import BatchRequest, ReconstructRequest
from configs.settings import Settings
from flows.reconstruct import reconstruct
from tasks.batch.manifest import (
    MANIFEST_NAME,
    Entry,
    Manifest,
    Source,
    completed,
    find_sources,
    fingerprint,
)
from tasks.core.errors import InputError, Tyre3dError
from tasks.core.failures import Failure, failure_of_error, failure_of_state
from tasks.storage.inputs import input_mark
from tasks.storage.results import Results

_T = TypeVar("_T")
_Start = Callable[[ReconstructRequest, str, str], Awaitable[FlowRun]]
_log = logging.getLogger("tyre3d.batch")
_POLL_S = 3.0
_AT_ONCE = 100
"""Runs asked for in one request."""
_STARTS_AT_ONCE = 4
"""A server on SQLite is overwhelmed by many writers."""
_PATIENCE_S = 1800.0
"""How long the server may be away before a tyre is given up."""


def _run_name() -> str:
    request = this_run.parameters["request"]
    folder = request["out_dir"] if isinstance(request, dict) else request.out_dir
    return f"batch-{PurePosixPath(folder).name}"


@flow(name="batch", flow_run_name=_run_name, log_prints=False)
def batch(request: BatchRequest) -> State[Any]:
    """Make every tyre of a batch; one that fails stops no other.

    Args:
        request: What to make, where, and by which deployment.

    Returns:
        Completed if all have a result, else Failed; the message counts them.
    """
    manifest = run_batch(request, Settings(), str(this_run.id))
    _show(manifest)
    return final_state(manifest)


def run_batch(request: BatchRequest, settings: Settings, batch_id: str) -> Manifest:
    """The batch, given its settings and an identity that a retry of the same run keeps."""
    results = Results(request.out_dir, settings)
    results.check(MANIFEST_NAME)
    sources = find_sources(request.inputs, settings)
    with results.held("batch") as ours:
        if not ours:
            raise InputError(
                "batch-running",
                stage="batch",
                what=f"another batch is writing to {request.out_dir}",
                advice="Wait for it, or choose another folder with --out",
            )
        manifest = Manifest(results)
        manifest.entries = {s.name: Entry(s.name, s.uri) for s in sources}
        manifest.write()
        work = _Work(request, settings, results, manifest, batch_id)
        if request.deployment is None:
            for source in sources:
                work.here(source)
        else:
            asyncio.run(work.elsewhere(sources, request.deployment))
    return manifest


def final_state(manifest: Manifest) -> State[Any]:
    """Completed only if every tyre has a result; the message tells all, some or none."""
    failed = [e.name for e in manifest.entries.values() if e.state != "completed"]
    total = len(manifest.entries)
    if not failed:
        return Completed(message=f"all {total} succeeded")
    some = "none succeeded" if len(failed) == total else f"{len(failed)} of {total} failed"
    shown = ", ".join(failed[:10]) + (", ..." if len(failed) > 10 else "")
    return Failed(message=f"{some}: {shown}")


@dataclass(frozen=True)
class _Work:
    request: BatchRequest
    settings: Settings
    results: Results
    manifest: Manifest
    batch_id: str

    def _asked(self, source: Source) -> ReconstructRequest:
        return ReconstructRequest(
            input=source.place,
            glb_path=inside(self.request.out_dir, f"{source.name}.glb"),
            **self.request.options.model_dump(),
        )

    def _start(self, source: Source) -> Entry:
        """The entry to go on from: that of an earlier run, if its result is still right."""
        wanted = fingerprint(input_mark(source.place, self.settings), self.request.options)
        before = self.manifest.before.get(source.name)
        known = before is not None and before.input == source.uri
        if before is not None and known and before.finished(wanted, self.results):
            return replace(before, found_finished=True)
        return Entry(source.name, source.uri, fingerprint=wanted)

    def _end(self, entry: Entry, started: float, failure: Failure | None) -> None:
        if not entry.found_finished:
            entry = replace(entry, seconds=round(time.monotonic() - started, 3))
        if failure is not None:
            entry = replace(entry, state="failed", error=failure.to_dict())
        self.manifest.put(entry)
        counts = self.manifest.counts()
        done, total = len(self.manifest.entries) - counts["pending"], len(self.manifest.entries)
        told = "found finished" if entry.found_finished else f"{entry.state}, {entry.seconds:.1f} s"
        why = f" [{failure.code}] {failure.message}" if failure is not None else ""
        _log.info("%d of %d: %s: %s%s", done, total, entry.name, told, why)

    def here(self, source: Source) -> None:
        """Make one tyre in this process."""
        started, entry, failure = time.monotonic(), Entry(source.name, source.uri), None
        try:
            entry = self._start(source)
            if not entry.found_finished:
                entry = replace(entry, attempts=1)
                asked = self._asked(source)
                state = reconstruct(asked, source.name, return_state=True)
                run_id = state.state_details.flow_run_id
                entry = replace(entry, flow_run_id=str(run_id or ""))
                if not state.is_completed():
                    failure = _failure_of(state)
                else:
                    entry = completed(entry, asked, self.results)
        except (Tyre3dError, OSError) as exc:
            failure = failure_of_error(exc)
        self._end(entry, started, failure)

    async def elsewhere(self, sources: list[Source], deployment: str) -> None:
        """Make all tyres by runs of a deployment, a bounded number at a time."""
        gate = asyncio.Semaphore(self.request.concurrency)

        async with get_client() as client:
            watch, starts = _Watch(client), asyncio.Semaphore(_STARTS_AT_ONCE)

            async def start(asked: ReconstructRequest, name: str, key: str) -> FlowRun:
                async with starts:
                    return await arun_deployment(
                        deployment,
                        client=client,
                        parameters={"request": asked.model_dump(mode="json"), "tyre": name},
                        flow_run_name=f"reconstruct-{name}",
                        timeout=0,
                        idempotency_key=key,
                    )

            async def one(source: Source) -> None:
                async with gate:
                    await self._one_elsewhere(source, start, watch)

            async with asyncio.TaskGroup() as both:
                looking = both.create_task(watch.look())
                async with asyncio.TaskGroup() as tyres:
                    for source in sources:
                        tyres.create_task(one(source))
                looking.cancel()

    async def _one_elsewhere(self, source: Source, start: _Start, watch: _Watch) -> None:
        started, entry, failure = time.monotonic(), Entry(source.name, source.uri), None
        try:
            entry = await asyncio.to_thread(self._start, source)
            if not entry.found_finished:
                asked = self._asked(source)
                entry, failure = await self._attempts(entry, asked, start, watch)
                if failure is None:
                    entry = await asyncio.to_thread(completed, entry, asked, self.results)
        except (Tyre3dError, OSError, httpx.HTTPError, PrefectHTTPStatusError) as exc:
            failure = failure_of_error(exc)
        self._end(entry, started, failure)

    async def _attempts(
        self, entry: Entry, asked: ReconstructRequest, start: _Start, watch: _Watch
    ) -> tuple[Entry, Failure | None]:
        """Run the deployment until it succeeds, fails for good, or attempts are used up.

        The idempotency key makes a batch that is retried find the runs it started before.
        """
        failure: Failure | None = None
        for attempt in range(1, self.request.attempts + 1):
            key = f"{self.batch_id}:{entry.name}:{attempt}"
            begun = await _patiently(
                f"starting {entry.name}", functools.partial(start, asked, entry.name, key)
            )
            run = await watch.end_of(begun) or begun.model_copy(update={"state": None})
            url = url_for("flow-run", run.id) or ""
            entry = replace(entry, attempts=attempt, flow_run_id=str(run.id), flow_run_url=url)
            if run.state is not None and run.state.is_completed():
                return entry, None
            told = run.state.message if run.state is not None else None
            failure = failure_of_state(run.state.type.value if run.state is not None else "", told)
            if not failure.retryable:
                break
            _log.warning(
                "%s: attempt %d: [%s] %s", entry.name, attempt, failure.code, failure.message
            )
            await _pause(min(2.0**attempt, 60.0))
        return entry, failure


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _patiently(what: str, ask: Callable[[], Awaitable[_T]]) -> _T:
    """What the server answers, asked again while it is away or busy."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await ask()
        except httpx.TransportError as exc:
            if time.monotonic() > end:
                raise
            _log.warning("%s: Prefect's server does not answer (%s); trying again", what, exc)
        except PrefectHTTPStatusError as exc:
            status = exc.response.status_code
            if status < 500 or time.monotonic() > end:
                raise
            _log.warning("%s: Prefect's server answers %d; trying again", what, status)
        await _pause(5.0)


class _Watch:
    """Waits for many runs by one request for all of them, so that large batches cost no more."""

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._waiting: dict[UUID, asyncio.Future[FlowRun | None]] = {}

    async def end_of(self, run: FlowRun) -> FlowRun | None:
        """The run once it has ended; None if it was deleted."""
        if run.state is not None and run.state.is_final():
            return run
        self._waiting[run.id] = asyncio.get_running_loop().create_future()
        return await self._waiting[run.id]

    async def look(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_S)
            asked = list(self._waiting)
            for some in (asked[i : i + _AT_ONCE] for i in range(0, len(asked), _AT_ONCE)):
                await self._look_at(some)

    async def _look_at(self, ids: list[UUID]) -> None:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids))
        try:
            found = await _patiently(
                "looking at runs",
                lambda: self._client.read_flow_runs(flow_run_filter=wanted, limit=len(ids)),
            )
        except (httpx.HTTPError, PrefectHTTPStatusError) as exc:
            for run_id in ids:
                self._waiting.pop(run_id).set_exception(exc)
            return
        runs = {run.id: run for run in found}
        for run_id in ids:
            run = runs.get(run_id)
            if run is None or (run.state is not None and run.state.is_final()):
                self._waiting.pop(run_id).set_result(run)


def _failure_of(state: State[Any]) -> Failure:
    error = state.result(raise_on_failure=False)
    if isinstance(error, Tyre3dError):
        return failure_of_error(error)
    return failure_of_state(state.type.value, state.message)


def _show(manifest: Manifest) -> None:
    """Put a table of all tyres into Prefect's UI."""
    rows = [
        {
            "tyre": e.name,
            "state": "found finished" if e.found_finished else e.state,
            "error": e.error["code"] if e.error else "",
            "stage": e.error["stage"] if e.error else "",
            "seconds": e.seconds,
            "attempts": e.attempts,
            "vertices": e.figures.get("num_vertices", ""),
            "faces": e.figures.get("num_faces", ""),
            "warnings": len(e.warnings),
            "GLB": e.glb,
            "run": e.flow_run_url or e.flow_run_id,
        }
        for e in manifest.entries.values()
    ]
    create_table_artifact(key="batch", table=rows, description="What became of every tyre")
