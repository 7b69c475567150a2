"""The application: routes, the token, the answers to bad requests."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version as package_version
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from deployments.api.jobs import ENDED, Jobs
from deployments.api.models import Health, JobAccepted, JobStatus, ReconstructBody, Refusal
from deployments.api.prefect_runs import ApiError, PrefectRuns
from deployments.api.settings import ApiSettings

_KEEP_ALIVE_S = 15.0
_bearer = HTTPBearer(auto_error=False)
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal},
    404: {"model": Refusal},
    503: {"model": Refusal, "description": "Prefect's server does not answer"},
}


def create_app(settings: ApiSettings, runs: PrefectRuns | None = None) -> FastAPI:
    """The application.

    Args:
        settings: The settings of the service.
        runs: The runs of the deployment; default: those on the server that the settings name.
    """
    prefect = runs or PrefectRuns(settings)
    jobs = Jobs(prefect, settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await prefect.close()

    app = FastAPI(
        title="Tyre3D",
        summary="Videos of tyres in, one audited 3D mesh (GLB) per tyre out",
        version=package_version("tyre3d"),
        lifespan=lifespan,
    )

    async def require_token(
        sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        token = settings.token.get_secret_value().encode()
        if sent is None or not hmac.compare_digest(sent.credentials.encode(), token):
            raise ApiError(401, "not-allowed", "Send Authorization: Bearer and the token")

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        refusal = Refusal(code=error.code, message=error.message)
        return JSONResponse(refusal.model_dump(), error.status, headers)

    @app.middleware("http")
    async def bounded(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not length.isdecimal():
            return await refused(request, ApiError(411, "length-missing", "Send Content-Length"))
        if length.isdecimal() and int(length) > settings.max_body_bytes:
            message = f"At most {settings.max_body_bytes} bytes"
            return await refused(request, ApiError(413, "body-too-large", message))
        return await call_next(request)

    @app.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Whether the service and Prefect's server answer; needs no token."""
        healthy = await prefect.healthy()
        response.status_code = 200 if healthy else 503
        return Health(status="ok" if healthy else "degraded", prefect=healthy)

    app.include_router(_job_routes(jobs, settings), dependencies=[Depends(require_token)])
    return app


def _job_routes(jobs: Jobs, settings: ApiSettings) -> APIRouter:
    routes = APIRouter(prefix="/reconstruct", responses=_REFUSALS)

    @routes.post("", status_code=202)
    async def start(
        body: ReconstructBody,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> JobAccepted:
        """Start a reconstruction; the same Idempotency-Key finds the same job."""
        job_id, status = await jobs.start(body, idempotency_key)
        return JobAccepted(job_id=job_id, status=status)

    @routes.get("/status/{job_id}")
    async def status(job_id: UUID) -> JobStatus:
        """The status of a job."""
        return await jobs.status(job_id)

    @routes.get("/events/{job_id}", response_class=StreamingResponse)
    async def events(job_id: UUID) -> StreamingResponse:
        """The status of a job as server-sent events, at each change until the job ends."""
        await jobs.status(job_id)
        stream = _changes(jobs, job_id, settings.poll_s)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    @routes.delete("/{job_id}", status_code=202)
    async def cancel(job_id: UUID) -> JobStatus:
        """Cancel a job; one that has ended stays as it is."""
        return await jobs.cancel(job_id)

    return routes


async def _changes(jobs: Jobs, job_id: UUID, poll_s: float) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    sent, quiet_s = "", 0.0
    while True:
        try:
            status = await jobs.status(job_id)
        except ApiError as exc:
            if exc.status != 503:
                return
            text, ended = sent, False
        else:
            text, ended = status.model_dump_json(), status.status in ENDED
        if text != sent:
            yield f"event: status\ndata: {text}\n\n"
            sent, quiet_s = text, 0.0
        elif quiet_s >= _KEEP_ALIVE_S:
            yield ": still here\n\n"
            quiet_s = 0.0
        if ended:
            return
        await asyncio.sleep(poll_s)
        quiet_s += poll_s
