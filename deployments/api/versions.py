"""The version of the API, before every path: ``/v1/reconstruct`` is ``/reconstruct``.

Paths without it are those of clients that were there before; they mean the first version for good.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

V1 = "/v1"
SERVERS = [
    {"url": V1, "description": "The first version"},
    {"url": "/", "description": "Likewise, for clients that name no version"},
]
"""What the schema says of it."""


class Versioned:
    """Takes the version off the paths of requests.

    Args:
        app: What lies behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI has it."""
        if scope["type"] != "lifespan" and scope["path"].startswith(f"{V1}/"):
            state = {**scope.get("state", {}), "base": V1}
            scope = {**scope, "path": scope["path"].removeprefix(V1), "state": state}
        await self._app(scope, receive, send)


def base_of(connection: HTTPConnection) -> str:
    """What stands before the paths of whoever asks."""
    return str(getattr(connection.state, "base", ""))
