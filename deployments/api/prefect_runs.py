"""The few requests to Prefect that the service needs; nothing is remembered but an id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from flows.support.machine import EVERY_S, MACHINE
from tasks.core.phrasing import counted
from tasks.verdict.record import FIRST_WORD

TAG, COMPARE_TAG = "api", "api-compare"
"""Mark the runs that the service started, by their kind; it knows of no others."""
_PAUSES_S = (0.0, 0.3, 1.5)
"""Before each attempt of a request; SQLite is locked now and then."""
_WRITE_PAUSES_S = (0.0, 0.1, 0.2, 0.3, *(0.5,) * 20)
"""Before each attempt of a request that changes a run. A server on SQLite refuses it at once where
another writer came first; to wait longer from attempt to attempt would only let others come first
again."""
_CREATION_PAUSES_S = (*_WRITE_PAUSES_S, *(1.0,) * 30)
"""Likewise of a request that creates a run: whoever asks for it wants it made, not refused."""
_CREATIONS_WAITING = 256
_AGAIN_S = 5
_PAGE = 200
_EVENTS = 50
"""No page of events has more."""
_MOST_TASKS = 2000
ACTIVE = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
"""Types of the states of runs that have not ended."""
WAITING = ("SCHEDULED", "PENDING")
"""Types of those that have not begun."""


@dataclass(frozen=True)
class RunProgress:
    """What a run reports of itself.

    Args:
        progress: 0..1.
        stage: Its stage, None before the first.
        first_word: The reasons against the film, None before they are known.
    """

    progress: float
    stage: str | None
    first_word: list[dict[str, Any]] | None


class PrefectRuns:
    """Runs of one deployment on a Prefect server.

    Args:
        settings: Address and credentials of the server.
        deployment: Its name; None: of the reconstructions.
        tag: Marks these runs.
        transport: What carries requests there; None: the network.
    """

    def __init__(
        self,
        settings: ApiSettings,
        deployment: str | None = None,
        tag: str = TAG,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._deployment = deployment or settings.deployment
        self._tag = tag
        self._deployment_id: str | None = None
        auth = None
        headers = {}
        if settings.prefect_auth is not None:
            user, _, password = settings.prefect_auth.get_secret_value().partition(":")
            auth = httpx.BasicAuth(user, password)
        elif settings.prefect_key is not None:
            headers["Authorization"] = f"Bearer {settings.prefect_key.get_secret_value()}"
        self._http = httpx.AsyncClient(
            base_url=settings.prefect_url.rstrip("/"),
            auth=auth,
            headers=headers,
            timeout=settings.timeout_s,
            transport=transport,
        )
        self._creation = asyncio.Lock()
        self._waiting = 0
        self._clock: tuple[datetime, float] | None = None
        """What the server's clock last told, and when, by one that only grows."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _request(
        self, method: str, path: str, *, pauses_s: Sequence[float] = _PAUSES_S, **options: Any
    ) -> httpx.Response:
        """Send a request, several times if need be: all those of this class may be repeated."""
        message = ""
        for pause_s in pauses_s:
            await asyncio.sleep(pause_s)
            try:
                answer = await self._http.request(method, path, **options)
                if _wants_token(answer):
                    await self._take_token()
                    answer = await self._http.request(method, path, **options)
            except httpx.TransportError:
                message = "Prefect's server does not answer"
                continue
            self._note_time(answer)
            if answer.status_code in (401, 403):
                raise ApiError(503, "prefect-denied", "Prefect's server refuses the service")
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            message = f"Prefect's server answers {answer.status_code}"
        raise ApiError(503, "prefect-away", message, retry_after_s=_AGAIN_S)

    async def _take_token(self) -> None:
        """Take the token that Prefect demands with each change, against forged requests."""
        client = str(uuid4())
        answer = await self._http.get("/csrf-token", params={"client": client})
        if answer.status_code == 200:
            token = answer.json()["token"]
            self._http.headers.update({"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token})

    def now(self) -> datetime:
        """The time on the clock of Prefect's server, by which runs begin and end.

        This machine's may be another, or be set while the service runs.
        """
        if self._clock is None:
            return datetime.now(UTC)
        server_time, then = self._clock
        return server_time + timedelta(seconds=time.monotonic() - then)

    def _note_time(self, answer: httpx.Response) -> None:
        with contextlib.suppress(KeyError, ValueError):
            server_time = parsedate_to_datetime(answer.headers["Date"])
            self._clock = server_time.astimezone(UTC), time.monotonic()

    async def healthy(self) -> bool:
        """Whether Prefect's server answers."""
        try:
            answer = await self._request("GET", "/health", pauses_s=(0.0,))
        except ApiError:
            return False
        return answer.status_code == 200

    async def _find_deployment(self) -> str:
        if self._deployment_id is None:
            answer = await self._request("GET", f"/deployments/name/{self._deployment}")
            if answer.status_code != 200:
                message = f"There is no deployment {self._deployment}; run: make deploy"
                raise ApiError(503, "not-deployed", message)
            self._deployment_id = str(answer.json()["id"])
        return self._deployment_id

    @contextlib.asynccontextmanager
    async def admission(self) -> AsyncIterator[None]:
        """Let runs be created one after the other, in the order in which they were asked for.

        Two at once make a server on SQLite refuse one of them, which costs both more time.

        Raises:
            ApiError: 429 if too many wait already.
        """
        if self._waiting >= _CREATIONS_WAITING:
            waiting = counted(self._waiting, "request waits", "requests wait")
            message = f"{waiting} for jobs to be created"
            raise ApiError(429, "busy", message, retry_after_s=_AGAIN_S)
        self._waiting += 1
        try:
            async with self._creation:
                yield
        finally:
            self._waiting -= 1

    async def start(
        self,
        parameters: dict[str, Any],
        name: str,
        key: str | None,
        tags: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """Create a run; the same key finds the same run.

        Returns:
            The run, and whether it is new.
        """
        body = {
            "parameters": parameters,
            "name": name,
            "tags": [self._tag, *tags],
            "labels": dict(labels or {}),
            "idempotency_key": key or f"once:{uuid4()}",
        }
        answer = None
        for _ in range(2):
            path = f"/deployments/{await self._find_deployment()}/create_flow_run"
            answer = await self._request("POST", path, json=body, pauses_s=_CREATION_PAUSES_S)
            if answer.status_code != 404:
                break
            self._deployment_id = None  # it was deleted, and perhaps made again
        if answer is None or answer.status_code not in (200, 201):
            reason = answer.text[:500] if answer is not None else ""
            raise ApiError(502, "prefect-refused", f"Prefect does not take the run: {reason}")
        return dict(answer.json()), answer.status_code == 201

    async def find(self, run_id: UUID, tags: Sequence[str] = ()) -> dict[str, Any]:
        """The run.

        Args:
            run_id: Its id.
            tags: Tags that it must bear besides.

        Raises:
            ApiError: 404 if there is none that this service started.
        """
        answer = await self._request("GET", f"/flow_runs/{run_id}")
        run = dict(answer.json()) if answer.status_code == 200 else {}
        ours = {self._tag, *tags} <= set(run.get("tags", []))
        if not ours or run["deployment_id"] != await self._find_deployment():
            raise ApiError(404, "job-unknown", f"There is no job {run_id}")
        return run

    async def tags_of(self, run_id: UUID) -> list[str]:
        """The tags of a run of any kind; none where it is not known, or no longer."""
        answer = await self._request("GET", f"/flow_runs/{run_id}")
        return list(answer.json()["tags"]) if answer.status_code == 200 else []

    async def with_tags(
        self,
        tags: Sequence[str],
        states: Sequence[str] = (),
        *,
        ended_after: str = "",
        limit: int = _PAGE,
        offset: int = 0,
        oldest_first: bool = False,
        of_any_kind: bool = False,
    ) -> list[dict[str, Any]]:
        """Runs of this service that bear all these tags, the one created last first.

        Args:
            tags: Further tags.
            states: Types of states that they are in; none: any.
            ended_after: A time in ISO 8601 after which they ended; empty: at any time, or not.
            limit: At most so many.
            offset: So many are left out.
            oldest_first: Whether those that were to start first come first.
            of_any_kind: Whether runs of other deployments that bear the tags count, too.
        """
        # ids tell nothing of the order; this time is set once, when a run is created
        sort = f"EXPECTED_START_TIME_{'ASC' if oldest_first else 'DESC'}"
        filters = self._filters(tags, states, ended_after)
        if of_any_kind:
            filters["tags"]["all_"] = list(tags)
        return await self._page(filters, sort, limit, offset)

    def is_of_this_kind(self, run: Mapping[str, Any]) -> bool:
        """Whether a run is one of this deployment."""
        return self._tag in run["tags"]

    async def _page(
        self, filters: dict[str, Any], sort: str, limit: int, offset: int
    ) -> list[dict[str, Any]]:
        body = {"flow_runs": filters, "sort": sort, "limit": limit, "offset": offset}
        answer = await self._request("POST", "/flow_runs/filter", json=body)
        if answer.status_code != 200:
            raise ApiError(502, "prefect-refused", "Prefect does not list the runs")
        return list(answer.json())

    async def all_with_tags(
        self, tags: Sequence[str], states: Sequence[str], *, ended_after: str = ""
    ) -> list[dict[str, Any]]:
        """All runs of this service that bear these tags and are in one of these states."""
        return await self._listed(self._filters(tags, states, ended_after))

    async def _listed(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        """All runs that a filter lets through."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self._page(filters, "ID_DESC", _PAGE, len(found))  # no two are alike
            found += page
            if len(page) < _PAGE:
                return found

    async def later_attempts(self, jobs: Sequence[str]) -> list[dict[str, Any]]:
        """Runs that were started in the stead of the first ones of these jobs."""
        if not jobs:
            return []
        filters = self._filters((), (), "")
        filters["tags"]["any_"] = [f"job:{job}" for job in jobs]
        return await self._listed(filters)

    async def retag(self, run: dict[str, Any], old: str, new: str) -> None:
        """Replace a tag of a run by another."""
        tags = [tag for tag in run["tags"] if tag != old]
        path, body = f"/flow_runs/{run['id']}", {"tags": [*tags, new]}
        await self._request("PATCH", path, json=body, pauses_s=_WRITE_PAUSES_S)

    async def count(
        self, states: Sequence[str], *, tags: Sequence[str] = (), ended_after: str = ""
    ) -> int:
        """How many runs of this service that bear these tags are in one of these states."""
        body = {"flow_runs": self._filters(tags, states, ended_after)}
        answer = await self._request("POST", "/flow_runs/count", json=body)
        return int(answer.json()) if answer.status_code == 200 else 0

    async def tasks_of(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The latest runs of tasks of some runs, at most 200."""
        return await self._tasks({"flow_runs": {"id": {"any_": list(run_ids)}}}, 0)

    async def tasks_since(self, time: str) -> list[dict[str, Any]]:
        """The latest runs of tasks of this service's runs, at most 2000.

        Args:
            time: A time in ISO 8601 after which they started.
        """
        filters = {
            "flow_runs": self._filters((), (), ""),
            "task_runs": {"start_time": {"after_": time}},
        }
        found: list[dict[str, Any]] = []
        while len(found) < _MOST_TASKS:
            page = await self._tasks(filters, len(found))
            found += page
            if len(page) < _PAGE:
                break
        return found

    async def _tasks(self, filters: dict[str, Any], offset: int) -> list[dict[str, Any]]:
        query = {**filters, "sort": "END_TIME_DESC", "limit": _PAGE, "offset": offset}
        answer = await self._request("POST", "/task_runs/filter", json=query)
        return list(answer.json()) if answer.status_code == 200 else []

    async def emit_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Have the server note events."""
        await self._request("POST", "/events", json=list(events))

    async def machines(self) -> list[dict[str, Any]]:
        """What machines told of themselves of late, the latest first; at most 500 times."""
        since = (self.now() - timedelta(seconds=3 * EVERY_S)).isoformat()
        filters = {"event": {"name": [MACHINE]}, "occurred": {"since": since}, "order": "DESC"}
        page = {"filter": filters, "limit": _EVENTS}
        answer = await self._request("POST", "/events/filter", json=page)
        found: list[dict[str, Any]] = []
        for _ in range(10):
            content = answer.json() if answer.status_code == 200 else {}
            found += [event["payload"] for event in content.get("events", [])]
            if not content.get("next_page"):
                break
            query = httpx.URL(content["next_page"]).query.decode()
            answer = await self._request("GET", f"/events/filter/next?{query}")
        return found

    async def progress_of(self, run_id: UUID) -> RunProgress:
        """What a run reports of itself by its artifacts."""
        kinds = {"any_": ["progress", "table"]}
        query = {
            "artifacts": {"flow_run_id": {"any_": [str(run_id)]}, "type": kinds},
            "sort": "CREATED_DESC",
            "limit": 10,
        }
        answer = await self._request("POST", "/artifacts/filter", json=query)
        share, stage, first_word = 0.0, None, None
        for row in reversed(answer.json() if answer.status_code == 200 else []):
            if row["type"] == "progress":
                share, stage = float(row["data"] or 0.0) / 100.0, row["description"]
            elif row["description"] == FIRST_WORD:
                first_word = json.loads(row["data"])
        return RunProgress(min(max(share, 0.0), 1.0), stage, first_word)

    async def take_back(self, run_id: UUID) -> None:
        """Remove a run of which nobody was told, so that its key is free again."""
        await self._request("DELETE", f"/flow_runs/{run_id}", pauses_s=_WRITE_PAUSES_S)

    async def cancel(self, run_id: UUID, *, ended: bool = False) -> None:
        """Request the cancellation of a run from the worker of its process.

        Args:
            run_id: The run.
            ended: Whether its process has died, so that nobody needs to be asked.
        """
        kind = "Cancelled" if ended else "Cancelling"
        state = {"type": kind.upper(), "name": kind, "message": "Asked for over the API"}
        body = {"state": state, "force": ended}
        path = f"/flow_runs/{run_id}/set_state"
        await self._request("POST", path, json=body, pauses_s=_WRITE_PAUSES_S)

    def _filters(
        self, tags: Sequence[str], states: Sequence[str], ended_after: str
    ) -> dict[str, Any]:
        """Prefect's filter for runs of this service."""
        filters: dict[str, Any] = {"tags": {"all_": [self._tag, *tags]}}
        if states:
            filters["state"] = {"type": {"any_": list(states)}}
        if ended_after:
            filters["end_time"] = {"after_": ended_after}
        return filters


def _wants_token(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and "CSRF" in answer.text
