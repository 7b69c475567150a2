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
        status: The status code of the HTTP answer.
        code: A stable name of the error.
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
        settings: Address and credentials of the server, and the name of the deployment.
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

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, several times if need be: all those of this class may be repeated."""
        message = ""
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            try:
                answer = await self._http.request(method, path, **options)
                if _wants_token(answer):
                    await self._take_token()
                    answer = await self._http.request(method, path, **options)
            except httpx.TransportError:
                message = "Prefect's server does not answer"
                continue
            if answer.status_code in (401, 403):
                raise ApiError(503, "prefect-denied", "Prefect's server refuses the service")
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            message = f"Prefect's server answers {answer.status_code}"
        raise ApiError(503, "prefect-away", message)

    async def _take_token(self) -> None:
        """Take the token that Prefect demands with each change, against forged requests."""
        client = str(uuid4())
        answer = await self._http.get("/csrf-token", params={"client": client})
        if answer.status_code == 200:
            token = answer.json()["token"]
            self._http.headers.update({"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token})

    async def healthy(self) -> bool:
        """Whether Prefect's server answers."""
        try:
            return (await self._request("GET", "/health")).status_code == 200
        except ApiError:
            return False

    async def _find_deployment(self) -> str:
        if self._deployment_id is None:
            answer = await self._request("GET", f"/deployments/name/{self._deployment}")
            if answer.status_code != 200:
                message = f"There is no deployment {self._deployment}; run: make deploy"
                raise ApiError(503, "not-deployed", message)
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
            path = f"/deployments/{await self._find_deployment()}/create_flow_run"
            answer = await self._request("POST", path, json=body)
            if answer.status_code != 404:
                break
            self._deployment_id = None  # it was deleted, and perhaps made again
        if answer is None or answer.status_code not in (200, 201):
            reason = answer.text[:500] if answer is not None else ""
            raise ApiError(502, "prefect-refused", f"Prefect does not take the run: {reason}")
        return dict(answer.json()), answer.status_code == 201

    async def find(self, run_id: UUID) -> dict[str, Any]:
        """The run.

        Raises:
            ApiError: 404 if there is none that this service started.
        """
        answer = await self._request("GET", f"/flow_runs/{run_id}")
        run = dict(answer.json()) if answer.status_code == 200 else {}
        if TAG not in run.get("tags", []) or run["deployment_id"] != await self._find_deployment():
            raise ApiError(404, "job-unknown", f"There is no job {run_id}")
        return run

    async def progress(self, run_id: UUID) -> tuple[float, str | None]:
        """The progress that a run reports, 0..1, and its stage."""
        query = {
            "artifacts": {"flow_run_id": {"any_": [str(run_id)]}, "type": {"any_": ["progress"]}},
            "sort": "CREATED_DESC",
            "limit": 1,
        }
        answer = await self._request("POST", "/artifacts/filter", json=query)
        found = answer.json() if answer.status_code == 200 else []
        if not found:
            return 0.0, None
        share = float(found[0]["data"] or 0.0) / 100.0
        return min(max(share, 0.0), 1.0), found[0]["description"]

    async def cancel(self, run_id: UUID) -> None:
        """Request the cancellation of a run from the worker of its process."""
        state = {"type": "CANCELLING", "name": "Cancelling", "message": "Asked for over the API"}
        await self._request("POST", f"/flow_runs/{run_id}/set_state", json={"state": state})


def _wants_token(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and "CSRF" in answer.text
