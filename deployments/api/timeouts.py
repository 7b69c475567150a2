"""How long a client is waited for: whoever sends nothing must not take up the room of others."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Message, Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

from deployments.api.errors import ApiError

HEAD_WITHIN_S = 30.0
"""From the start of a connection, or the last answer, to the whole head of a request."""
BODY_PIECE_WITHIN_S = 60.0
"""Until more of a body arrives: a phone that lost its network tells nobody."""
ANSWER_PIECE_WITHIN_S = 60.0
"""Until what was sent has been taken: whoever does not read holds what is sent in memory."""


class InTime(H11Protocol):
    """The server's HTTP, which closes connections that bring no request or take no answer.

    uvicorn waits for ever for the first request of a connection, and each byte of one lets it wait
    anew; likewise for whoever reads no further. As many such connections as ``limit_concurrency``
    allows keep all others out.
    """

    _deadline: asyncio.TimerHandle | None = None
    _taken_by: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait_for_head()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Leave the connection to the WebSocket."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self._stop_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait until the client has taken what was sent."""
        super().pause_writing()
        self._taken_by = self.loop.call_later(ANSWER_PIECE_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Send more."""
        self._stop_sending()
        super().resume_writing()

    def _stop_sending(self) -> None:
        if self._taken_by is not None:
            self._taken_by.cancel()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._time_out, self.cycle)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _time_out(self, last: Any) -> None:
        if self.cycle is last:
            self.transport.close()


def in_time(receive: Receive) -> Receive:
    """A body whose pieces must not be waited for too long; its end may come at any time later.

    Raises:
        ApiError: 408, of what is returned: no more of the body came.
    """
    complete = False

    async def next_piece() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout(BODY_PIECE_WITHIN_S):
                message = await receive()
        except TimeoutError as exc:
            raise ApiError(408, "body-too-slow", "No more of the body came: send it again") from exc
        complete = not message.get("more_body", False)
        return message

    return next_piece
