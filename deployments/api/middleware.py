"""What every request passes first: its id, the token, the bounds of its body."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.body_limits import bounded_body
from deployments.api.errors import REQUEST_ID, ApiError, refusal
from deployments.api.rate_limit import Rate
from deployments.api.timeouts import in_time
from deployments.api.tokens import Client, Tokens
from deployments.api.tokens import Scope as TokenScope

OPEN_PATHS = ("/health", "/live")
"""Paths that need no token."""
UPLOADS = "/uploads"
"""There and below it bodies are films, which are written to a disk as they arrive."""


class Gate:
    """Refuses what has no token before anything of its body is parsed.

    Args:
        app: What lies behind it.
        max_bytes: Bound of a body.
        tokens: Those that are valid.
        rate_per_s: Requests a second of one client; 0: as many as come.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, tokens: Tokens, rate_per_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._tokens = tokens
        self._rate = Rate(rate_per_s, time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI has it."""
        number = uuid4().hex
        if scope["type"] != "lifespan":
            scope.setdefault("state", {})["request_id"] = number
        if scope["type"] != "http":  # whoever opens a WebSocket is asked for the token there
            await self._app(scope, receive, send)
            return

        async def numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = number
                headers["X-Content-Type-Options"] = "nosniff"  # names may hold markup: no page
            await send(message)

        receive = in_time(receive)
        request = Request(scope, receive)
        try:
            if scope["path"] not in OPEN_PATHS:
                client = scope["state"]["client"] = self._client(request)
                self._rate.take(client.name)
            if scope["path"] != UPLOADS and not scope["path"].startswith(f"{UPLOADS}/"):
                receive = _replayed(await bounded_body(request, self._max_bytes), receive)
        except ApiError as exc:
            await refusal(request, exc)(scope, receive, numbered)
            return
        except ClientDisconnect:  # whoever asked has left: no fault of the service
            return
        await self._app(scope, receive, numbered)

    def _client(self, request: Request) -> Client:
        client = self._tokens.client_of(bearer(request.headers.get("authorization", "")))
        if client is None:
            raise ApiError(401, "not-allowed", "Send Authorization: Bearer and the token")
        return client


def bearer(header: str) -> str:
    """The token that a header ``Authorization`` bears; empty where it bears none."""
    kind, _, sent = header.partition(" ")
    return sent.strip() if kind.lower() == "bearer" else ""


def allowed(scope: TokenScope) -> Callable[[Request], Client]:
    """A dependency of routes: the client, if it may do what needs this scope.

    Raises:
        ApiError: 403.
    """

    def client(request: Request) -> Client:
        found: Client = request.state.client
        if not found.may(scope):
            raise ApiError(403, "not-permitted", f"This token has no scope {scope}")
        return found

    return client


def _replayed(content: bytes, receive: Receive) -> Receive:
    """A body that was read, once more; afterwards what else arrives (the end of the connection)."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": content}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
