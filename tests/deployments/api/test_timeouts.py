"""Connections that bring nothing do not keep others out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from deployments.api import timeouts
from deployments.api.downloads import InPieces, Sending
from deployments.api.timeouts import InTime
from tests.deployments.api.service import Use

MOST = 3


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[str, int]]:
    """The address of a real server that lets in fewer than :data:`MOST` connections."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=InTime, limit_concurrency=MOST, lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        await running


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that the server sends until it closes the connection."""
    async with asyncio.timeout(60):
        return await reader.read()


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says 204 and leaves the body where it is."""
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
def test_connections_without_a_request_are_closed(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """As many as the server lets in, with nothing said or half a head: others get their answer."""

    async def test() -> None:
        async with served(answer) as address:
            idle = [await asyncio.open_connection(*address) for _ in range(MOST)]
            for _, writer in idle:
                writer.write(sent)
            assert [await ended(reader) for reader, _ in idle] == [b""] * MOST
            async with httpx.AsyncClient() as client:
                reply = await client.get(f"http://{address[0]}:{address[1]}/")
            assert reply.status_code == 204
            for _, writer in idle:
                writer.close()

    monkeypatch.setattr(timeouts, "HEAD_WITHIN_S", 0.2)
    asyncio.run(test())


@pytest.mark.parametrize("reads", [0, 4_000_000])
def test_who_takes_no_more_of_an_answer_is_left(
    monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    """Each would hold a file in memory, and a connection, for as long as it likes."""
    file, sending = bytes(30_000_000), Sending()
    ends: list[int] = []

    async def download(scope: Scope, receive: Receive, send: Send) -> None:
        await InPieces(sending, file)(scope, receive, send)
        ends.append(sending.now)

    async def test() -> None:
        async with served(download) as address, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*address, limit=1000)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readexactly(reads)
            while not ends:
                await asyncio.sleep(0.05)
            writer.close()
            async with httpx.AsyncClient() as client:
                reply = await client.get(f"http://{address[0]}:{address[1]}/")
            assert reply.content == file

    monkeypatch.setattr(timeouts, "ANSWER_PIECE_WITHIN_S", 0.5)
    asyncio.run(test())
    assert ends == [0, 0]


def test_a_body_that_nobody_reads_does_not_hold_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with served(answer) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1")
            assert (await ended(reader)).startswith(b"HTTP/1.1 204")
            writer.close()

    monkeypatch.setattr(timeouts, "HEAD_WITHIN_S", 0.2)
    asyncio.run(test())


def test_an_answer_may_take_longer_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request came first; while it waits for its answer another connection is given up."""
    came, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        came.set()
        await go_on.wait()
        await answer(scope, receive, send)

    async def test() -> None:
        async with served(slow) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            await came.wait()
            idle, other = await asyncio.open_connection(*address)
            assert await ended(idle) == b""
            go_on.set()
            assert (await ended(reader)).startswith(b"HTTP/1.1 204")
            writer.close()
            other.close()

    monkeypatch.setattr(timeouts, "HEAD_WITHIN_S", 0.2)
    asyncio.run(test())


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/reconstruct"), ("PUT", "/uploads/tyre.mp4")]
)
def test_a_body_that_stops_is_refused(
    use: Callable[[Use], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    method: str,
    path: str,
) -> None:
    async def stopping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    before = sorted(tmp_path.rglob("*"))

    async def test(api: httpx.AsyncClient) -> None:
        reply = await api.request(method, path, content=stopping())
        assert (reply.status_code, reply.json()["code"]) == (408, "body-too-slow")

    monkeypatch.setattr(timeouts, "BODY_PIECE_WITHIN_S", 0.2)
    use(test)
    assert {p for p in tmp_path.rglob("*") if p.is_file()} <= set(before)
