"""Runs of a deployment, watched until they end, through times when the server is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError

from tasks.core.errors import ResourceError, Tyre3dError

_T = TypeVar("_T")
_log = logging.getLogger("tyre3d.batch")
_POLL_S = 3.0
_RUNS_PER_REQUEST = 100
_PATIENCE_S = 1800.0
"""How long the server may be away before a tyre is given up."""


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


async def retry_while_unavailable(what: str, ask: Callable[[], Awaitable[_T]]) -> _T:
    """The server's answer; the request is repeated while it is away or busy.

    Args:
        what: The request in words, for the log.
        ask: Sends the request.

    Raises:
        ResourceError: ``server-away`` for half an hour.
        PrefectHTTPStatusError: It refused the request.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await ask()
        except httpx.TransportError as exc:
            cause: Exception = exc
            why = f"{what}: Prefect's server does not answer ({exc})"
        except PrefectHTTPStatusError as exc:
            if (status := exc.response.status_code) < 500:
                raise
            cause, why = exc, f"{what}: Prefect's server answers {status}"
        if time.monotonic() > end:
            advice = "Start it, or see its log; then run again: what is finished is kept"
            raise ResourceError("server-away", stage="batch", what=why, advice=advice) from cause
        _log.warning("%s; trying again", why)
        await pause(5.0)


class RunWatch:
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
            ids = list(self._waiting)
            for start in range(0, len(ids), _RUNS_PER_REQUEST):
                await self._look_at(ids[start : start + _RUNS_PER_REQUEST])

    async def _look_at(self, ids: list[UUID]) -> None:
        these = FlowRunFilter(id=FlowRunFilterId(any_=ids))
        try:
            found = await retry_while_unavailable(
                "looking at runs",
                lambda: self._client.read_flow_runs(flow_run_filter=these, limit=len(ids)),
            )
        except (Tyre3dError, PrefectHTTPStatusError) as exc:
            for run_id in ids:
                self._waiting.pop(run_id).set_exception(exc)
            return
        runs = {run.id: run for run in found}
        for run_id in ids:
            run = runs.get(run_id)
            if run is None or (run.state is not None and run.state.is_final()):
                self._waiting.pop(run_id).set_result(run)
