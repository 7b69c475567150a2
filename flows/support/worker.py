"""A worker of processes that a signal lets finish what it has begun."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Crashed
from prefect.workers.process import ProcessWorker

from flows.support.clocks import MOST_OFF_S, in_words, seconds_ahead, time_of
from flows.support.lost_runs import LostRuns
from flows.support.machine import EVERY_S, events

_log = logging.getLogger("tyre3d.worker")
_LOOK_S = 0.5
_LOST_LOOK_S = 60.0
SILENCE_S = 450.0
"""How long a run may be silent that the server has lost sight of, before and after a first look."""


class DrainingWorker(ProcessWorker):
    """Prefect's worker of processes; once it drains, or by a wrong clock, it takes no more runs."""

    draining = False
    clock_is_off = False

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take the runs that are due, unless it drains, or its clock is not the server's."""
        if not self.draining:
            await self._compare_clocks()
        if self.draining or self.clock_is_off:
            self._last_polled_time = datetime.now(UTC)  # it is in good health
            return []
        return await super().get_and_submit_flow_runs()

    async def _compare_clocks(self) -> None:
        """Look whether the clock is right; where that cannot be told nothing changes."""
        before = datetime.now(UTC)
        try:
            answer = await self.client.request("GET", "/health")
            ahead_s = seconds_ahead(answer.headers["Date"], before, datetime.now(UTC))
        except (httpx.HTTPError, PrefectHTTPStatusError, KeyError, ValueError):
            return
        was_off, self.clock_is_off = self.clock_is_off, abs(ahead_s) > MOST_OFF_S
        if self.clock_is_off and not was_off:
            _log.error("%s: no runs are taken until it is right", in_words(ahead_s))
        elif was_off and not self.clock_is_off:
            _log.info("this machine's clock is right again: runs are taken")

    @property
    def taken(self) -> list[Any]:
        """Ids of the runs that it has taken and that have not ended."""
        return list(self.limiter.statistics().borrowers)


async def serve(
    pool: str,
    limit: int,
    name: str | None = None,
    *,
    healthcheck: bool = False,
    silence_s: float = SILENCE_S,
    folders: Mapping[str, Path] | None = None,
    low_bytes: float = 0.0,
) -> int:
    """Work for a pool until a signal arrives and the runs at hand have ended.

    The first SIGTERM or SIGINT drains. A second one stops at once; runs that this cuts short are
    reported as crashed, so that whoever asked for them starts them again.

    Args:
        pool: Name of the pool.
        limit: Runs at a time.
        name: Name of the worker; unset: one of Prefect's making.
        healthcheck: Whether to answer ``/health`` on port 8080 (``PREFECT_WORKER_WEBSERVER_PORT``).
        silence_s: As :class:`LostRuns` takes it; runs of all pools are looked at.
        folders: As :func:`~flows.support.machine.events` takes them.
        low_bytes: Likewise.
    """
    worker = DrainingWorker(
        work_pool_name=pool, limit=limit, name=name, create_pool_if_not_found=False
    )
    work = asyncio.ensure_future(worker.start(with_healthcheck=healthcheck, printer=_log.info))
    beside = [
        asyncio.ensure_future(_end_lost_runs(silence_s)),
        asyncio.ensure_future(_report_machine(folders or {}, low_bytes)),
    ]
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        worker.draining = True
        if signals == 1:
            _log.info("draining: no more runs are taken; a second signal stops at once")
        else:
            work.cancel()

    for each in (signal.SIGTERM, signal.SIGINT):
        # also where a shell's background job inherited that it is ignored
        asyncio.get_running_loop().add_signal_handler(each, stop)
    cut_short: list[Any] = []
    while not work.done():
        await asyncio.wait([work], timeout=_LOOK_S)
        if worker.draining:
            cut_short = worker.taken if not work.done() else cut_short
            if not cut_short:
                work.cancel()
    for task in beside:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    if signals > 1:
        await _report_crashed(cut_short)
    return 0


async def _end_lost_runs(silence_s: float) -> None:
    """Look for lost runs again and again, until cancelled."""
    lost = LostRuns(silence_s)
    async with get_client() as client:
        while True:
            await asyncio.sleep(min(_LOST_LOOK_S, silence_s / 4))
            try:
                for run_id in await lost.end(client):
                    _log.warning("run %s: nobody works on it any more", run_id)
            except Exception as exc:  # noqa: BLE001  the next look may succeed
                _log.warning("looking for lost runs: %r", exc)
                lost = LostRuns(silence_s)  # a server that was away heard no heartbeats


async def _report_machine(folders: Mapping[str, Path], low_bytes: float) -> None:
    """Tell Prefect's server of this machine again and again, until cancelled."""
    async with get_client() as client:
        while True:
            try:
                answer = await client.request("GET", "/health")
                now = time_of(answer)
                records = await asyncio.to_thread(events, folders, low_bytes, now)
                await client.request("POST", "/events", json=records)
            except Exception as exc:  # noqa: BLE001  the next time may succeed
                _log.warning("telling of this machine: %r", exc)
            await asyncio.sleep(EVERY_S)


async def _report_crashed(run_ids: list[Any]) -> None:
    """State that these runs ended with their worker, unless they have ended otherwise."""
    async with get_client() as client:
        for run_id in run_ids:
            run = await client.read_flow_run(run_id)
            if run.state is None or not run.state.is_final():
                state: State[Any] = Crashed(message="Its worker was stopped at once")
                await client.set_flow_run_state(run_id, state, force=True)
