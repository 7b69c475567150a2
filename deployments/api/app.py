"""The application: its routes and what stands before them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response, WebSocket
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer
from pydantic import AfterValidator
from starlette.middleware.cors import CORSMiddleware

from configs.settings import Settings
from deployments.api.callbacks import Callbacks
from deployments.api.downloads import CONDITIONS, TYPES, Sending, file_response
from deployments.api.errors import REQUEST_ID, ApiError, Refusal, add_handlers
from deployments.api.job_kinds import Comparisons, Reconstructions
from deployments.api.jobs import Jobs
from deployments.api.metrics import TEXT_TYPE, metrics
from deployments.api.middleware import Gate, allowed
from deployments.api.models import (
    CompareBody,
    Health,
    JobAccepted,
    JobBody,
    JobList,
    JobStatus,
    ReconstructBody,
    Status,
    UploadAddress,
    Uploaded,
    UploadWanted,
    plain_text,
)
from deployments.api.prefect_runs import COMPARE_TAG, PrefectRuns
from deployments.api.settings import ApiSettings
from deployments.api.streams import Listeners, as_events, changes, serve_socket
from deployments.api.tokens import Client, Tokens
from deployments.api.uploads import (
    FORM_BODY,
    VIDEO_BODY,
    receive_body,
    receive_form,
    signed,
    sweep_parts,
)
from deployments.api.versions import SERVERS, Versioned, base_of
from flows.support.machine import EVERY_S, events

_HEALTHY_FOR_S = 2.0
_LISTED = 50
_LISTEN_AGAIN_S = 30
_Answers = dict[int | str, dict[str, Any]]
_REFUSALS: _Answers = {
    400: {"model": Refusal, "description": "The body is no JSON, or nested too deeply"},
    401: {"model": Refusal, "description": "No token, or a wrong one"},
    403: {"model": Refusal, "description": "The token has not the scope"},
    404: {"model": Refusal, "description": "There is no such job"},
    408: {"model": Refusal, "description": "No more of the body came"},
    413: {"model": Refusal, "description": "The body is too large"},
    415: {"model": Refusal, "description": "The body has a Content-Encoding"},
    422: {"model": Refusal, "description": "A field is not valid, or a path is refused"},
    429: {"model": Refusal, "description": "Too many ask or wait; see Retry-After"},
    500: {"model": Refusal, "description": "A fault of the service"},
    502: {"model": Refusal, "description": "Prefect's server refuses what it should take"},
    503: {"model": Refusal, "description": "Prefect's server or storage is away; see Retry-After"},
}
_CONFLICT: _Answers = {409: {"model": Refusal, "description": "Another job or file is in the way"}}
_NO_SPACE: _Answers = {507: {"model": Refusal, "description": "The disk of uploads is full"}}
_GONE: _Answers = {410: {"model": Refusal, "description": "The result was replaced since"}}
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["status"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}
_EVENTS: _Answers = {
    200: {
        "description": "Events called status, each with a JobStatus as its data",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}
_CONTENT: dict[str, Any] = {kind.partition(";")[0]: {} for kind in TYPES.values()}
_FILE: _Answers = {
    200: {"description": "The file", "content": _CONTENT},
    206: {"description": "The part that Range names", "content": _CONTENT},
    304: {"description": "It is what If-None-Match names"},
    412: {"model": Refusal, "description": "It is not what If-Match names"},
    416: {"model": Refusal, "description": "Range lies outside"},
}
_log = logging.getLogger("tyre3d.api")
_Reader = Annotated[Client, Depends(allowed("read"))]
_Name = Annotated[
    str, InPath(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}$", examples=["mesh.glb", "report.html"])
]
_Submitter = Annotated[Client, Depends(allowed("submit"))]
_Reference = Annotated[str | None, Query(max_length=120), AfterValidator(plain_text)]
_Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


def create_app(
    settings: ApiSettings,
    runs: PrefectRuns | None = None,
    comparing: PrefectRuns | None = None,
) -> FastAPI:
    """The application.

    Args:
        settings: The settings of the service.
        runs: The runs of reconstructions; default: those on the server that the settings name.
        comparing: The runs of comparisons, likewise.

    Raises:
        OSError: The file of tokens cannot be read.
        ValueError: It is damaged.
    """
    prefect = runs or PrefectRuns(settings)
    comparing = comparing or PrefectRuns(settings, settings.compare_deployment, COMPARE_TAG)
    tokens = Tokens(settings.tokens, settings.tokens_file)
    jobs = Jobs(Reconstructions(), prefect, settings)
    comparisons = Jobs(Comparisons(), comparing, settings)
    callbacks = [Callbacks(prefect, jobs, settings), Callbacks(comparing, comparisons, settings)]

    folders = _folders(settings)

    async def report_machine() -> int:
        low_bytes = 1e9 * Settings().disk_low_gb
        await prefect.healthy()  # so that the server's clock is known
        records = await asyncio.to_thread(events, folders, low_bytes, prefect.now())
        await prefect.emit_events(records)
        return len(records)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(sweep_parts, settings)
        looks = [
            _repeated("crashed jobs", each.make_again, settings.make_again_every_s)
            for each in (jobs, comparisons)
        ]
        looks.append(_repeated("this machine", report_machine, EVERY_S))
        if settings.callback_hosts:
            looks += [
                _repeated("ended jobs", each.report_ended, settings.callback_every_s)
                for each in callbacks
            ]
        work = [asyncio.ensure_future(look) for look in looks]
        try:
            yield
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)
            for callback in callbacks:
                await callback.close()
            for source in (prefect, comparing):
                await source.close()

    app = FastAPI(
        title="Tyre3D",
        summary="Videos of tyres in, one audited 3D mesh (GLB) per tyre out",
        version=package_version("tyre3d"),
        lifespan=lifespan,
        servers=SERVERS,
        docs_url=None,  # its page would come from elsewhere; the schema is at /openapi.json
        redoc_url=None,
        # else a slash too many would lead to where Host says, by http:// and with the token
        redirect_slashes=False,
    )
    add_handlers(app)
    app.include_router(_health_routes(prefect))
    needs_token = [Depends(HTTPBearer(auto_error=False))]  # for the schema: Gate looks at it
    listeners, sending = Listeners(settings.max_connections // 2), Sending()
    for routes in (
        _reconstruct_routes(jobs, settings, listeners, sending),
        _compare_routes(comparisons, settings, listeners, sending),
    ):
        app.include_router(routes, dependencies=needs_token)
    app.include_router(_upload_routes(settings), dependencies=needs_token)
    app.include_router(_metrics_routes((prefect, comparing), folders), dependencies=needs_token)
    for each in (jobs, comparisons):
        app.include_router(_socket_routes(each, tokens, settings, listeners))
    app.add_middleware(
        Gate,
        max_bytes=settings.max_body_bytes,
        tokens=tokens,
        rate_per_s=settings.rate_per_s,
    )
    app.add_middleware(  # before the gate: a browser asks whether it may ask, without a token
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", *CONDITIONS],
        expose_headers=["ETag", "Content-Range", "Location", "Retry-After", REQUEST_ID],
    )
    app.add_middleware(Versioned)
    return app


async def _repeated(name: str, look: Callable[[], Awaitable[int]], every_s: float) -> None:
    """Look for something again and again, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await look()
        except ApiError as exc:
            _log.warning("looking for %s: [%s] %s", name, exc.code, exc.message)
        except Exception:  # noqa: BLE001  the next look may succeed
            _log.exception("looking for %s", name)


def _health_routes(prefect: PrefectRuns) -> APIRouter:
    routes = APIRouter()
    known: tuple[float, bool] = (0.0, False)
    looking = asyncio.Lock()

    @routes.get("/live")
    async def live() -> dict[str, str]:
        """Whether the service answers, whatever Prefect does; needs no token."""
        return {"status": "ok"}

    @routes.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Whether the service and Prefect's server answer; needs no token."""
        nonlocal known
        now = asyncio.get_running_loop().time
        async with looking:  # one look for all who ask meanwhile, however long it takes
            if known[0] < now():
                healthy = await prefect.healthy()
                known = (now() + _HEALTHY_FOR_S, healthy)
        response.status_code = 200 if known[1] else 503
        return Health(status="ok" if known[1] else "degraded", prefect=known[1])

    return routes


def _reconstruct_routes(
    jobs: Jobs, settings: ApiSettings, listeners: Listeners, sending: Sending
) -> APIRouter:
    routes = _job_routes(jobs, settings, listeners, sending)

    @routes.post("", status_code=202, responses=_CONFLICT)
    async def start(
        body: ReconstructBody,
        request: Request,
        response: Response,
        client: _Submitter,
        idempotency_key: _Key = None,
    ) -> JobAccepted:
        """Start a reconstruction; the same Idempotency-Key finds the same job."""
        return await _started(jobs, body, idempotency_key, client, request, response)

    return routes


def _compare_routes(
    jobs: Jobs, settings: ApiSettings, listeners: Listeners, sending: Sending
) -> APIRouter:
    routes = _job_routes(jobs, settings, listeners, sending)

    @routes.post("", status_code=202, responses=_CONFLICT)
    async def start(
        body: CompareBody,
        request: Request,
        response: Response,
        client: _Submitter,
        idempotency_key: _Key = None,
    ) -> JobAccepted:
        """Start a comparison of one tyre new and used; all else is as with reconstructions."""
        return await _started(jobs, body, idempotency_key, client, request, response)

    return routes


async def _started(
    jobs: Jobs,
    body: JobBody,
    key: str | None,
    client: Client,
    request: Request,
    response: Response,
) -> JobAccepted:
    job_id, status = await jobs.start(body, key, client)
    response.headers["Location"] = f"{base_of(request)}{jobs.kind.path}/status/{job_id}"
    return JobAccepted(job_id=job_id, status=status)


def _job_routes(
    jobs: Jobs, settings: ApiSettings, listeners: Listeners, sending: Sending
) -> APIRouter:
    """What is asked of jobs of either kind once they are there."""
    routes = APIRouter(prefix=jobs.kind.path, responses=_REFUSALS)

    @routes.get("")
    async def listed(
        client: _Reader,
        status: Status | None = None,
        reference: _Reference = None,
        limit: Annotated[int, Query(ge=1, le=200)] = _LISTED,
        cursor: Annotated[str, Query(pattern=r"^\d{1,9}$")] = "0",
    ) -> JobList:
        """Jobs, the latest first. A job may come twice where others begin meanwhile.

        A page may hold fewer jobs than its limit, even none; the last one has no cursor.
        """
        found, further = await jobs.listed(status, reference, client.owner, limit, int(cursor))
        return JobList(jobs=found, cursor=None if further is None else str(further))

    @routes.get("/status/{job_id}")
    async def status(job_id: UUID, client: _Reader) -> JobStatus:
        """The status of a job."""
        return await jobs.status(job_id, client.owner)

    @routes.get("/events/{job_id}", response_class=StreamingResponse, responses=_EVENTS)
    async def events(job_id: UUID, client: _Reader) -> StreamingResponse:
        """The status of a job as server-sent events, at each change until the job ends."""
        await jobs.status(job_id, client.owner)
        if not listeners.has_room:
            message = "Too many listen to events: ask for the status, or again later"
            raise ApiError(429, "busy", message, retry_after_s=_LISTEN_AGAIN_S)
        stream = as_events(changes(jobs, job_id, client.owner, settings.poll_s), listeners)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    @routes.head(
        "/{job_id}/{name}",
        response_class=Response,
        responses=_FILE | _CONFLICT | _GONE,
        include_in_schema=False,
    )
    @routes.get("/{job_id}/{name}", response_class=Response, responses=_FILE | _CONFLICT | _GONE)
    async def file(job_id: UUID, name: _Name, request: Request, client: _Reader) -> Response:
        """A file of a completed job, as its status lists them.

        Of a reconstruction these are mesh.glb, metadata.json, report.html, medium.glb, preview.glb
        and, where the request asked for them, plain.glb, atlas.json and its images; of a
        comparison change.glb, placed.glb, metadata.json, report.html and cells.csv. Range,
        If-Range, If-Match and If-None-Match are heeded.
        """
        content, digest = await jobs.file(job_id, client.owner, name)
        headers = dict(request.headers)
        if request.method == "HEAD":
            headers.pop("range", None)
        return file_response(name, content, digest, headers, sending)

    @routes.delete("/{job_id}", status_code=202)
    async def cancel(job_id: UUID, client: _Submitter) -> JobStatus:
        """Cancel a job; one that has ended stays as it is."""
        return await jobs.cancel(job_id, client.owner)

    return routes


def _socket_routes(
    jobs: Jobs, tokens: Tokens, settings: ApiSettings, listeners: Listeners
) -> APIRouter:
    routes = APIRouter()

    @routes.websocket(f"{jobs.kind.path}/events/{{job_id}}")
    async def socket(job_id: UUID, socket: WebSocket) -> None:
        """The changes that events tell; pages of listed origins alone may open it."""
        origin = socket.headers.get("origin")
        if origin is not None and origin not in settings.origins:
            await socket.close()  # before it is accepted: the handshake is answered 403
            return
        await serve_socket(socket, job_id, jobs, tokens, settings.poll_s, listeners)

    return routes


def _folders(settings: ApiSettings) -> dict[str, Path]:
    """The roots that are folders, by name."""
    roots = {"input": settings.input_roots, "output": settings.output_roots}
    return {
        f"{kind}:{number}": root
        for kind, listed in roots.items()
        for number, root in enumerate(listed)
        if isinstance(root, Path)
    }


def _metrics_routes(kinds: Sequence[PrefectRuns], folders: Mapping[str, Path]) -> APIRouter:
    routes = APIRouter(responses={k: _REFUSALS[k] for k in (401, 403, 429, 503)})

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {TEXT_TYPE: {}}}},
        dependencies=[Depends(allowed("metrics"))],
    )
    async def figures() -> Response:
        """Jobs, failures by code, the queue's age, stages and disks, as Prometheus reads them."""
        return Response(await metrics(kinds, folders), media_type=TEXT_TYPE)

    return routes


def _upload_routes(settings: ApiSettings) -> APIRouter:
    routes = APIRouter(responses=_REFUSALS | _CONFLICT | _NO_SPACE)

    @routes.put("/uploads/{name}", status_code=201, openapi_extra=VIDEO_BODY)
    async def upload(name: str, request: Request, _: _Submitter) -> Uploaded:
        """Bring a video, the body, below the first root of inputs; its path starts a job."""
        return await receive_body(name, request, settings)

    @routes.post("/uploads", status_code=201, openapi_extra=FORM_BODY)
    async def upload_form(request: Request, _: _Submitter) -> Uploaded:
        """Bring a video likewise, as the one file of a form; its name there is the video's."""
        return await receive_form(request, settings)

    @routes.post("/upload-addresses", status_code=201)
    async def upload_address(upload: UploadWanted, _: _Submitter) -> UploadAddress:
        """An address to which a video is sent past this service, where inputs lie in a bucket.

        PUT the video there, of just this size, without the token.
        """
        return await signed(upload, settings)

    return routes
