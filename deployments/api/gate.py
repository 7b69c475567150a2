"""What every request passes first: its id, the token, the bounds of its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.bodies import bounded_body
from deployments.api.errors import REQUEST_ID, ApiError, refusal
from deployments.api.tokens import Client, Tokens
from deployments.api.tokens import Scope as TokenScope

OPEN_PATHS = ("/health", "/live")
"""Paths that need no token."""
UPLOADS = "/uploads/"
"""Below it bodies are films, which are written to a disk as they arrive."""


class Gate:
    """Refuses what has no token before anything of its body is parsed.

    Args:
        app: What lies behind it.
        max_bytes: Bound of a body.
        tokens: Those that are valid.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, tokens: Tokens) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = uuid4().hex
        scope.setdefault("state", {})["request_id"] = number

        async def numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = number
            await send(message)

        request = Request(scope, receive)
        try:
            if scope["path"] not in OPEN_PATHS:
                scope["state"]["client"] = self._client(request)
            if not scope["path"].startswith(UPLOADS):
                receive = _replayed(await bounded_body(request, self._max_bytes), receive)
        except ApiError as exc:
            await refusal(request, exc)(scope, receive, numbered)
            return
        await self._app(scope, receive, numbered)

    def _client(self, request: Request) -> Client:
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        client = self._tokens.client_of(sent.strip())
        if kind.lower() != "bearer" or client is None:
            raise ApiError(401, "not-allowed", "Send Authorization: Bearer and the token")
        return client


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
