"""Many tyres: one result each, every one accounted for, only what is missing made."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from prefect import State, flow
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed
from prefect.utilities.urls import url_for

from configs.locations import as_location, inside, printable, report_of
from configs.request import BatchRequest, ReconstructRequest
from configs.settings import Settings
from configs.stages import ExtractConfig
from flows.reconstruct import reconstruct
from flows.support.batch_page import write_page
from flows.support.clocks import time_of
from flows.support.deployment_runs import RunWatch, pause, retry_while_unavailable
from flows.support.local_runs import noted_run
from flows.support.logs import plain_logs
from flows.support.page import escaped
from flows.support.run_names import after_folder
from flows.support.settings import load_settings
from flows.support.states import failure_of_run
from flows.support.summary import links_to
from tasks.batch.manifest import Entry, Manifest, completed, fingerprint
from tasks.batch.sources import MANIFEST_NAME, PAGE_NAME, Source, find_sources, renamed
from tasks.core.errors import InputError, Tyre3dError
from tasks.core.failures import Failure, failure_of_error, failure_of_state
from tasks.storage.inputs import input_mark
from tasks.storage.results import MANIFEST_MARK, Results, check_page_replaceable, check_replaceable

_Start = Callable[[ReconstructRequest, str, str], Awaitable[FlowRun]]
_log = logging.getLogger("tyre3d.batch")
_STARTS_AT_ONCE = 4
"""A server on SQLite is overwhelmed by many writers."""


@flow(name="batch", flow_run_name=after_folder("batch"), log_prints=False)
def batch(request: BatchRequest) -> State[Any]:
    """Make every tyre of a batch; one that fails stops no other.

    Args:
        request: What to make, where, and by which deployment.

    Returns:
        Completed if all have a result, else Failed; the message counts them.
    """
    settings = load_settings()
    with noted_run(), plain_logs():
        manifest = run_batch(request, settings, str(this_run.id))
    _show(manifest, settings)
    return final_state(manifest)


def run_batch(request: BatchRequest, settings: Settings, batch_id: str) -> Manifest:
    """The batch, given its settings and an identity that a retry of the same run keeps."""
    results = Results(request.out_dir, settings)
    results.check(MANIFEST_NAME)
    check_replaceable(results, MANIFEST_NAME, MANIFEST_MARK)
    check_page_replaceable(results, PAGE_NAME)
    sources = find_sources(request.inputs, settings)
    with results.lock("batch") as locked:
        if not locked:
            raise InputError(
                "batch-running",
                stage="batch",
                what=f"another batch is writing to {request.out_dir}",
                advice="Wait for it, or choose another folder with --out",
            )
        manifest = Manifest(results)
        sources = _beside_earlier(sources, manifest.before)
        manifest.entries = {s.name: Entry(s.name, s.uri) for s in sources}
        manifest.write()
        work = _Work(request, settings, results, manifest, batch_id)
        if request.deployment is None:
            for source in sources:
                work.run_here(source)
        else:
            asyncio.run(work.run_by_deployment(sources, request.deployment))
        write_page(str(PurePosixPath(str(request.out_dir)).name), manifest, results)
    return manifest


def _beside_earlier(sources: list[Source], before: Mapping[str, Entry]) -> list[Source]:
    """The sources, renamed where another input's result of an earlier batch has the name."""

    def is_taken(source: Source) -> bool:
        entry = before.get(source.name)
        return entry is not None and entry.state == "completed" and entry.input != source.uri

    return [renamed(source) if is_taken(source) else source for source in sources]


def final_state(manifest: Manifest) -> State[Any]:
    """Completed only if every tyre has a result; the message tells all, some or none."""
    failed = [e.name for e in manifest.entries.values() if e.state != "completed"]
    total = len(manifest.entries)
    if not failed:
        refused = [e.name for e in manifest.entries.values() if e.verdict == "fail"]
        doubt = f"; the verdict on {len(refused)} is fail: {_listed(refused)}" if refused else ""
        every = "all " if total > 1 else ""
        return Completed(message=f"{every}{total} succeeded{doubt}")
    some = "no tyre succeeded" if len(failed) == total else f"{len(failed)} of {total} failed"
    return Failed(message=f"{some}: {_listed(failed)}")


def _listed(names: list[str]) -> str:
    return ", ".join(map(printable, names[:10])) + (", ..." if len(names) > 10 else "")


@dataclass(frozen=True)
class _Work:
    request: BatchRequest
    settings: Settings
    results: Results
    manifest: Manifest
    batch_id: str

    def _request(self, source: Source) -> ReconstructRequest:
        return ReconstructRequest(
            input=source.location,
            glb_path=inside(self.request.out_dir, f"{source.name}.glb"),
            **self.request.options.model_dump(),
        )

    def _start(self, source: Source) -> Entry:
        """The entry to go on from: that of an earlier run, if its result is still right."""
        expected = fingerprint(input_mark(source.location, self.settings), self.request.options)
        before = self.manifest.before.get(source.name)
        known = before is not None and before.input == source.uri
        if before is not None and known and before.finished(expected, self.results):
            return replace(before, found_finished=True)
        return Entry(source.name, source.uri, fingerprint=expected)

    def _end(self, entry: Entry, started: float, failure: Failure | None) -> None:
        if not entry.found_finished:
            entry = replace(entry, seconds=round(time.monotonic() - started, 3))
        if failure is not None:
            entry = replace(entry, state="failed", error=failure.to_dict())
        self.manifest.put(entry)
        counts = self.manifest.counts()
        done, total = len(self.manifest.entries) - counts["pending"], len(self.manifest.entries)
        outcome = "found finished"
        if not entry.found_finished:
            outcome = f"{entry.state}, {entry.seconds:.1f} s"
        why = f" [{failure.code}] {failure.message}" if failure is not None else ""
        name = printable(entry.name)
        _log.info("%d of %d: %s: %s%s", done, total, name, outcome, why)

    def run_here(self, source: Source) -> None:
        """Make one tyre in this process."""
        started, entry, failure = time.monotonic(), Entry(source.name, source.uri), None
        try:
            entry = self._start(source)
            if not entry.found_finished:
                entry = replace(entry, attempts=1)
                request = self._request(source)
                state = reconstruct(request, source.name, return_state=True)
                run_id = state.state_details.flow_run_id
                entry = replace(entry, flow_run_id=str(run_id or ""))
                if not state.is_completed():
                    failure = failure_of_run(state)
                else:
                    entry = completed(entry, request, self.results)
        except (Tyre3dError, OSError) as exc:
            failure = failure_of_error(exc)
        self._end(entry, started, failure)

    async def run_by_deployment(self, sources: list[Source], deployment: str) -> None:
        """Make all tyres by runs of a deployment, a bounded number at a time."""
        gate = asyncio.Semaphore(self.request.concurrency)

        async with get_client() as client:
            watch, starts = RunWatch(client), asyncio.Semaphore(_STARTS_AT_ONCE)

            async def start(request: ReconstructRequest, name: str, key: str) -> FlowRun:
                async with starts:
                    now = time_of(await client.request("GET", "/health"))
                    try:
                        return await arun_deployment(
                            deployment,
                            client=client,
                            scheduled_time=now,  # by this machine's clock it might be due hours on
                            parameters={"request": request.model_dump(mode="json"), "tyre": name},
                            flow_run_name=f"reconstruct-{name}",
                            timeout=0,
                            idempotency_key=key,
                        )
                    except ObjectNotFound as exc:
                        raise InputError(
                            "not-deployed",
                            stage="batch",
                            what=f"Prefect's server has no deployment {deployment}",
                            advice="Deploy first (make deploy), or name another with --deployment",
                        ) from exc

            async def one(source: Source) -> None:
                async with gate:
                    await self._one_by_deployment(source, start, watch)

            async with asyncio.TaskGroup() as both:
                looking = both.create_task(watch.look())
                async with asyncio.TaskGroup() as tyres:
                    for source in sources:
                        tyres.create_task(one(source))
                looking.cancel()

    async def _one_by_deployment(self, source: Source, start: _Start, watch: RunWatch) -> None:
        started, entry, failure = time.monotonic(), Entry(source.name, source.uri), None
        try:
            entry = await asyncio.to_thread(self._start, source)
            if not entry.found_finished:
                request = self._request(source)
                await asyncio.to_thread(_look, request)
                entry, failure = await self._attempts(entry, request, start, watch)
                if failure is None:
                    entry = await asyncio.to_thread(completed, entry, request, self.results)
        except (Tyre3dError, OSError, PrefectHTTPStatusError) as exc:
            failure = failure_of_error(exc)
        self._end(entry, started, failure)

    async def _attempts(
        self, entry: Entry, request: ReconstructRequest, start: _Start, watch: RunWatch
    ) -> tuple[Entry, Failure | None]:
        """Run the deployment until it succeeds, fails for good, or attempts are used up.

        The idempotency key makes a batch that is retried find the runs it started before.
        """
        failure: Failure | None = None
        for attempt in range(1, self.request.attempts + 1):
            key = f"{self.batch_id}:{entry.name}:{attempt}"
            begun = await retry_while_unavailable(
                f"starting {entry.name}", functools.partial(start, request, entry.name, key)
            )
            run = await watch.end_of(begun) or begun.model_copy(update={"state": None})
            url = url_for("flow-run", run.id) or ""
            entry = replace(entry, attempts=attempt, flow_run_id=str(run.id), flow_run_url=url)
            if run.state is not None and run.state.is_completed():
                return entry, None
            kind = run.state.type.value if run.state is not None else ""
            message = run.state.message if run.state is not None else None
            failure = failure_of_state(kind, message)
            if not failure.retryable:
                break
            _log.warning(
                "%s: attempt %d: [%s] %s", entry.name, attempt, failure.code, failure.message
            )
            await pause(min(2.0**attempt, 60.0))
        return entry, failure


def _look(request: ReconstructRequest) -> None:
    """Refuse what is no film before a process of a worker, many seconds, is started for it.

    Raises:
        InputError: As :func:`tasks.video.container.probe`.
    """
    if isinstance(request.input, Path) and request.input.is_file():
        from tasks.video.container import probe

        probe(request.input, request.config(ExtractConfig))


def _show(manifest: Manifest, settings: Settings) -> None:
    """Put a table of all tyres into Prefect's UI."""
    entries = manifest.entries.values()
    rows = [_row(entry, _links_of(entry, settings)) for entry in entries]
    create_table_artifact(key="batch", table=rows, description="What became of every tyre")


def _row(entry: Entry, links: Mapping[str, str]) -> dict[str, Any]:
    """A tyre in the table; cells are Markdown."""
    shown = [f"[{label}]({address})" for label, address in links.items()]
    # of whatever server shows the table: a run's own address may be that of one that is gone
    run = f"[run](/runs/flow-run/{entry.flow_run_id})" if entry.flow_run_id else ""
    return {
        "tyre": escaped(entry.name),
        "state": "found finished" if entry.found_finished else entry.state,
        "verdict": entry.verdict,
        "result": " · ".join(shown) or escaped(entry.glb),
        "run": run,
        "why": escaped(" · ".join(entry.why)),
        "seconds": entry.seconds,
        "attempts": entry.attempts,
        "vertices": entry.figures.get("num_vertices", ""),
        "faces": entry.figures.get("num_faces", ""),
        "warnings": len(entry.warnings),
    }


def _links_of(entry: Entry, settings: Settings) -> dict[str, str]:
    if entry.state != "completed" or not entry.glb:
        return {}
    try:
        glb = as_location(entry.glb)
        return links_to({"output_path": glb, "report_path": report_of(glb)}, settings)
    except (Tyre3dError, OSError) as exc:
        _log.debug("no links to %s: %s", entry.name, exc)
        return {}
