"""The few requests to Prefect that the service needs; nothing is remembered but an id."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx

from deployments.api.settings import ApiSettings

TAG = "api"
"""Marks the runs that the service started; it knows of no others."""
_PAUSES_S = (0.0, 0.3, 1.5)
"""Before each attempt of a request; SQLite is locked now and then."""


class ApiError(Exception):
    """A request that is refused or cannot be served.

    Args:
        status: Of the HTTP answer.
        code: Stable.
        message: What was wrong.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class PrefectRuns:
    """Runs of one deployment on a Prefect server.

    Args:
        settings: Where it is, how one is let in, which deployment.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._deployment = settings.deployment
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
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask, a few times if need be: every request of this class may be sent again."""
        told = ""
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            try:
                answer = await self._http.request(method, path, **options)
            except httpx.TransportError:
                told = "Prefect's server does not answer"
                continue
            if answer.status_code in (401, 403):
                raise ApiError(503, "prefect-denied", "Prefect's server refuses the service")
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            told = f"Prefect's server answers {answer.status_code}"
        raise ApiError(503, "prefect-away", told)

    async def healthy(self) -> bool:
        """Whether Prefect's server answers."""
        try:
            return (await self._ask("GET", "/health")).status_code == 200
        except ApiError:
            return False

    async def _deployment_now(self) -> str:
        if self._deployment_id is None:
            answer = await self._ask("GET", f"/deployments/name/{self._deployment}")
            if answer.status_code != 200:
                told = f"There is no deployment {self._deployment}; run: make deploy"
                raise ApiError(503, "not-deployed", told)
            self._deployment_id = str(answer.json()["id"])
        return self._deployment_id

    async def start(
        self, parameters: dict[str, Any], name: str, key: str | None
    ) -> tuple[dict[str, Any], bool]:
        """Create a run; the same key finds the same run.

        Returns:
            The run, and whether it is new.
        """
        key = key or f"once:{uuid4()}"
        body = {"parameters": parameters, "name": name, "tags": [TAG], "idempotency_key": key}
        answer = None
        for _ in range(2):
            path = f"/deployments/{await self._deployment_now()}/create_flow_run"
            answer = await self._ask("POST", path, json=body)
            if answer.status_code != 404:
                break
            self._deployment_id = None  # it was deleted, and perhaps made again
        if answer is None or answer.status_code not in (200, 201):
            told = answer.text[:500] if answer is not None else ""
            raise ApiError(502, "prefect-refused", f"Prefect does not take the run: {told}")
        return dict(answer.json()), answer.status_code == 201

    async def find(self, run_id: UUID) -> dict[str, Any]:
        """The run.

        Raises:
            ApiError: 404 if there is none that this service started.
        """
        answer = await self._ask("GET", f"/flow_runs/{run_id}")
        run = dict(answer.json()) if answer.status_code == 200 else {}
        if TAG not in run.get("tags", []) or run["deployment_id"] != await self._deployment_now():
            raise ApiError(404, "job-unknown", f"There is no job {run_id}")
        return run

    async def progress(self, run_id: UUID) -> tuple[float, str | None]:
        """How far a run says it is: 0..1, and the stage."""
        wanted = {
            "artifacts": {"flow_run_id": {"any_": [str(run_id)]}, "type": {"any_": ["progress"]}},
            "sort": "CREATED_DESC",
            "limit": 1,
        }
        answer = await self._ask("POST", "/artifacts/filter", json=wanted)
        found = answer.json() if answer.status_code == 200 else []
        if not found:
            return 0.0, None
        share = float(found[0]["data"] or 0.0) / 100.0
        return min(max(share, 0.0), 1.0), found[0]["description"]

    async def cancel(self, run_id: UUID) -> None:
        """Have the run cancelled by whoever holds its process."""
        state = {"type": "CANCELLING", "name": "Cancelling", "message": "Asked for over the API"}
        await self._ask("POST", f"/flow_runs/{run_id}/set_state", json={"state": state})
