"""A job's status at each change, until it ends: as server-sent events, or over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Literal
from uuid import UUID

from fastapi import WebSocket, WebSocketDisconnect

from deployments.api.attempts import ENDED
from deployments.api.errors import ApiError, in_words
from deployments.api.jobs import Jobs
from deployments.api.middleware import bearer
from deployments.api.models import JobStatus
from deployments.api.tokens import Client, Tokens

_KEEP_ALIVE_S = 15.0
_TOKEN_WITHIN_S = 10.0
_MOST_ANONYMOUS = 64
"""WebSockets that may wait for their token at a time: anybody may open one."""
_ENDED, _REFUSED = 1000, 4000
"""Codes with which a WebSocket is closed; to the second the status of HTTP is added."""


class Listeners:
    """Counts who listens: WebSockets, which the server never refuses, and streams of events.

    Args:
        most: So many may be open, so that others are still answered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = self.anonymous = 0

    @property
    def has_room(self) -> bool:
        """Whether another one may be opened."""
        return self.open < self._most

    def has_room_for(self, socket: WebSocket) -> bool:
        """Whether this WebSocket may be opened."""
        has_token = "authorization" in socket.headers
        return self.has_room and (has_token or self.anonymous < _MOST_ANONYMOUS)

    @contextlib.contextmanager
    def counted(self, name: Literal["open", "anonymous"]) -> Iterator[None]:
        """Count one for as long as this lasts."""
        setattr(self, name, getattr(self, name) + 1)
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) - 1)


async def changes(
    jobs: Jobs, job_id: UUID, owner: str | None, poll_s: float
) -> AsyncIterator[JobStatus | None]:
    """Every change of a job, the status first; None now and then where nothing changes.

    Where Prefect's server is away it goes on once that is back.

    Args:
        jobs: All jobs.
        job_id: The job.
        owner: The client that it must belong to; None: any.
        poll_s: How often it is looked at.

    Raises:
        ApiError: The job is unknown, or Prefect's server refuses the service.
    """
    last: JobStatus | None = None
    now = asyncio.get_running_loop().time
    sent_at = now()
    while True:
        status = last
        look = asyncio.ensure_future(jobs.status(job_id, owner))
        try:  # a look at a server that is slow, or away, takes a minute: the wire is not silent
            while not (await asyncio.wait([look], timeout=_KEEP_ALIVE_S / 2))[0]:
                yield None
                sent_at = now()
            status = look.result()
        except ApiError as exc:
            if exc.code != "prefect-away":
                raise
        finally:
            look.cancel()
        if status is not None and status != last:
            yield status
            last, sent_at = status, now()
        elif now() - sent_at >= _KEEP_ALIVE_S:
            yield None
            sent_at = now()
        if status is not None and status.status in ENDED:
            return
        await asyncio.sleep(poll_s)


async def as_events(
    statuses: AsyncIterator[JobStatus | None], listeners: Listeners
) -> AsyncIterator[str]:
    """The changes as server-sent events; one that fails ends the stream."""
    with listeners.counted("open"), contextlib.suppress(ApiError):
        yield "retry: 2000\n\n"
        async for status in statuses:
            if status is None:
                yield ": still here\n\n"
            else:
                yield f"event: status\ndata: {status.model_dump_json()}\n\n"


async def serve_socket(
    socket: WebSocket, job_id: UUID, jobs: Jobs, tokens: Tokens, poll_s: float, listeners: Listeners
) -> None:
    """Tell the changes over a WebSocket, and close it with 1000 when the job has ended.

    The token comes with the handshake (``Authorization: Bearer``) or, since pages of browsers
    cannot send that, as the first message: ``{"token": "..."}``. A refusal is told as HTTP tells
    it; the socket is then closed with 4000 and the status that HTTP would have.
    """
    if not listeners.has_room_for(socket):
        await socket.close()  # before it is accepted: the handshake is answered 403
        return
    with listeners.counted("open"):
        await socket.accept()
        await _serve(socket, job_id, jobs, tokens, poll_s, listeners)


async def _serve(
    socket: WebSocket, job_id: UUID, jobs: Jobs, tokens: Tokens, poll_s: float, listeners: Listeners
) -> None:
    try:
        client = await _client(socket, tokens, listeners)
        if not client.may("read"):
            raise ApiError(403, "not-permitted", "This token has no scope read")
        sending = asyncio.ensure_future(
            _send_statuses(socket, changes(jobs, job_id, client.owner, poll_s))
        )
        leaving = asyncio.ensure_future(_until_left(socket))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.wait((sending, leaving))
        if not sending.cancelled():
            await sending
            await socket.close(_ENDED)
    except ApiError as exc:
        answer = in_words(socket, exc)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may have left meanwhile
            await socket.send_text(answer.model_dump_json())
            await socket.close(_REFUSED + exc.status)
    except WebSocketDisconnect:
        pass


async def _send_statuses(socket: WebSocket, statuses: AsyncIterator[JobStatus | None]) -> None:
    async for status in statuses:
        if status is not None:  # silence is bridged by the pings of the server
            await socket.send_text(status.model_dump_json())


async def _until_left(socket: WebSocket) -> None:
    """Wait until the other side leaves; what it says is not heeded."""
    with contextlib.suppress(WebSocketDisconnect):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


async def _client(socket: WebSocket, tokens: Tokens, listeners: Listeners) -> Client:
    """The client whose token it is.

    Raises:
        ApiError: 401.
        WebSocketDisconnect: It left before it told.
    """
    sent = bearer(socket.headers.get("authorization", ""))
    if "authorization" not in socket.headers:
        with (
            listeners.counted("anonymous"),
            contextlib.suppress(TimeoutError, ValueError, RecursionError, KeyError),
        ):
            text = await asyncio.wait_for(socket.receive_text(), _TOKEN_WITHIN_S)
            first = json.loads(text)
            sent = str(first.get("token", "")) if isinstance(first, dict) else ""
    client = tokens.client_of(sent)
    if client is None:
        message = 'Send Authorization: Bearer and the token, or first the message {"token": "…"}'
        raise ApiError(401, "not-allowed", message)
    return client
