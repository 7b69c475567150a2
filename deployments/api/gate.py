"""What every request passes first: its id, the token, the bounds of its body."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.bodies import bounded_body
from deployments.api.errors import REQUEST_ID, ApiError, refusal
from deployments.api.settings import ApiSettings

OPEN_PATHS = ("/health", "/live")
"""Paths that need no token."""
UPLOADS = "/uploads/"
"""Below it bodies are films, which are written to a disk as they arrive."""


class Gate:
    """Refuses what has no token before anything of its body is parsed.

    Args:
        app: What lies behind it.
        settings: Tokens and bounds.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._max_bytes = settings.max_body_bytes
        self._tokens = [token.encode() for token in settings.tokens]

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
                self._check_token(request)
            if not scope["path"].startswith(UPLOADS):
                receive = _replayed(await bounded_body(request, self._max_bytes), receive)
        except ApiError as exc:
            await refusal(request, exc)(scope, receive, numbered)
            return
        await self._app(scope, receive, numbered)

    def _check_token(self, request: Request) -> None:
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        # all are compared, so that the time tells nothing
        known = [hmac.compare_digest(sent.strip().encode(), token) for token in self._tokens]
        if kind.lower() != "bearer" or not any(known):
            raise ApiError(401, "not-allowed", "Send Authorization: Bearer and the token")


def _replayed(content: bytes, receive: Receive) -> Receive:
    """A body that was read, once more; afterwards what else arrives (the end of the connection)."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": content}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
