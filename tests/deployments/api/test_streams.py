"""The status of jobs over real WebSockets; the service runs on a port, before the stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
import websockets
from fastapi import WebSocket
from websockets.asyncio.client import ClientConnection, connect

from deployments.api import app, streams
from deployments.api.__main__ import NoSockets
from deployments.api.job_kinds import Reconstructions
from deployments.api.jobs import Jobs
from deployments.api.settings import ApiSettings
from deployments.api.streams import changes
from tests.deployments.api.service import TOKEN, client_of, runs_on
from tests.deployments.api.stand_in import Prefect
from tests.deployments.api.test_tokens import GAUGE, SHOP, bearing, line

Test = Callable[[str, Prefect, str], Awaitable[None]]


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Test], None]:
    """Runs a test with the address of a service, the stand-in, and a job of the shop."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    listed = line("shop", "read,submit", SHOP) + line("gauge", "metrics", GAUGE)
    (tmp_path / "tokens").write_text(listed + line("other", "read", "token-of-another"))
    settings = ApiSettings.model_validate(
        {
            "token": TOKEN,
            "tokens_file": tmp_path / "tokens",
            "input_roots": [tmp_path / "in"],
            "output_roots": [tmp_path / "out"],
            "origins": ["https://shop.example"],
            "poll_s": 0.05,
        }
    )
    body = {
        "video": str(tmp_path / "in" / "tyre.mp4"),
        "output_glb_path": str(tmp_path / "out" / "tyre.glb"),
    }

    async def within(test: Test) -> None:
        prefect = Prefect()
        service = app.create_app(settings, runs_on(prefect, settings))
        config = uvicorn.Config(service, port=0, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server._serve())  # serve() would take over signals
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(trust_env=False, headers=bearing(SHOP)) as api:
                job = (await api.post(f"{url}/reconstruct", json=body)).json()["job_id"]
            await test(f"ws://127.0.0.1:{port}/reconstruct/events/", prefect, job)
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, 20)

    return lambda test: asyncio.run(within(test))


async def _all(socket: ClientConnection) -> tuple[list[Any], int | None]:
    """What is told until the socket is closed, and the code of its end."""
    told = []
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            told.append(json.loads(await socket.recv()))
    return told, socket.close_code


def _opened(url: str, **options: Any) -> connect:
    return connect(url, proxy=None, **options)


def test_every_change_is_told_until_the_job_ends(serve: Callable[[Test], None]) -> None:
    async def test(url: str, prefect: Prefect, job: str) -> None:
        first = {"token": SHOP}  # as pages of browsers do it
        page = _opened(url + job, origin="https://shop.example")
        async with page as socket, _opened(url + job, additional_headers=bearing(TOKEN)) as other:
            await socket.send(json.dumps(first))
            for state in ("RUNNING", "COMPLETED"):
                await asyncio.sleep(0.3)
                await other.send("what is said is not heeded")
                prefect.set(job, state)
            for told, code in await asyncio.gather(_all(socket), _all(other)):
                assert [t["status"] for t in told] == ["queued", "processing", "completed"]
                assert {t["job_id"] for t in told} == {job}
                assert code == 1000

    serve(test)


def test_a_stream_is_not_silent_while_the_server_is_slow(
    settings: ApiSettings, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence was counted in looks, of which each may take a minute: proxies close such streams."""
    monkeypatch.setattr(streams, "_KEEP_ALIVE_S", 0.4)
    prefect = Prefect()

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            runs = runs_on(prefect, settings)
            told = changes(Jobs(Reconstructions(), runs, settings), UUID(job), None, 0.05)
            prefect.takes_s = 1.0
            assert [await anext(told) for _ in range(3)] == [None] * 3
            prefect.takes_s = 0.001
            status = await anext(told)
            while status is None:
                status = await anext(told)
            assert status.status == "queued"
            assert await anext(told) is None
            await told.aclose()
            await runs.close()

    asyncio.run(ask())


def test_who_may_not_listen_is_told_why(
    serve: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_TOKEN_WITHIN_S", 0.3)
    cases: list[tuple[dict[str, str], str | bytes | None, str, int]] = [
        ({}, None, "not-allowed", 4401),  # says nothing
        ({}, "{", "not-allowed", 4401),
        ({}, "[" * 5000, "not-allowed", 4401),
        ({}, b"\xff", "not-allowed", 4401),
        ({}, '"' + SHOP + '"', "not-allowed", 4401),
        ({}, '{"token": "nobodys-token-at-all"}', "not-allowed", 4401),
        ({}, '{"token": "\\ud800"}', "not-allowed", 4401),
        ({"Authorization": f"Basic {SHOP}"}, None, "not-allowed", 4401),
        (bearing("nobodys-token-at-all"), None, "not-allowed", 4401),
        (bearing(GAUGE), None, "not-permitted", 4403),
        (bearing("token-of-another"), None, "job-unknown", 4404),
    ]

    async def test(url: str, prefect: Prefect, job: str) -> None:
        for headers, said, code, closed in cases:
            async with _opened(url + job, additional_headers=headers) as socket:
                if said is not None:
                    await socket.send(said)
                (told,), ended = await _all(socket)
                assert (told["code"], ended) == (code, closed), said
                assert set(told) == {"code", "message", "request_id", "fields"}
                assert told["request_id"]
        async with _opened(url + str(uuid4()), additional_headers=bearing(SHOP)) as socket:
            (told,), ended = await _all(socket)
            assert (told["code"], ended) == ("job-unknown", 4404)
        for path, origin in ((job, "https://evil.example"), (job, "null"), ("no-id", None)):
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with _opened(url + path, origin=origin):
                    pass
            assert refused.value.response.status_code == 403

    serve(test)


def test_a_listener_who_leaves_and_a_service_that_stops_end_it(
    serve: Callable[[Test], None],
) -> None:
    left: list[ClientConnection] = []
    events: list[asyncio.Future[None]] = []
    heard: list[str] = []

    async def test(url: str, prefect: Prefect, job: str) -> None:
        async with _opened(url + job, additional_headers=bearing(SHOP)) as socket:
            await socket.recv()
        await asyncio.sleep(0.3)
        reads = prefect.reads
        await asyncio.sleep(0.3)
        assert prefect.reads == reads, "nobody listens, and the job is looked at"
        left.append(await _opened(url + job, additional_headers=bearing(SHOP)))
        await left[0].recv()
        events.append(asyncio.ensure_future(_events(url.replace("ws:", "http:") + job)))
        while not heard:
            await asyncio.sleep(0.02)

    async def _events(url: str) -> None:
        async with (
            httpx.AsyncClient(trust_env=False, headers=bearing(SHOP)) as api,
            api.stream("GET", url) as answer,
        ):
            with contextlib.suppress(httpx.RemoteProtocolError):  # it is cut short, not waited for
                async for line in answer.aiter_lines():
                    heard.append(line)

    serve(test)
    assert left[0].close_code in (1001, 1006, 1012)
    assert "event: status" in heard


def test_sockets_without_a_token_take_no_room_from_others(
    serve: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_MOST_ANONYMOUS", 3)

    async def test(url: str, prefect: Prefect, job: str) -> None:
        async with contextlib.AsyncExitStack() as opened:
            for _ in range(3):
                await opened.enter_async_context(_opened(url + job))
            with pytest.raises(websockets.InvalidStatus) as refused:
                await opened.enter_async_context(_opened(url + job))
            assert refused.value.response.status_code == 403
            told = await opened.enter_async_context(
                _opened(url + job, additional_headers=bearing(SHOP))
            )
            assert json.loads(await told.recv())["status"] == "queued"
        await asyncio.sleep(0.1)
        async with _opened(url + job) as socket:
            await socket.send(json.dumps({"token": SHOP}))
            assert json.loads(await socket.recv())["status"] == "queued"

    serve(test)


def test_who_listens_to_events_leaves_room_for_others(
    serve: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams that took all connections had probes answered 503, and the service restarted."""
    monkeypatch.setattr(app, "Listeners", lambda _: streams.Listeners(2))

    async def test(url: str, prefect: Prefect, job: str) -> None:
        web = url.replace("ws:", "http:") + job
        async with httpx.AsyncClient(trust_env=False, headers=bearing(SHOP)) as api:
            async with (
                api.stream("GET", web) as one,
                _opened(url + job, additional_headers=bearing(SHOP)) as other,
            ):
                lines = one.aiter_lines()
                assert await anext(lines) == "retry: 2000"
                await other.recv()
                refused = await api.get(web)
                assert (refused.status_code, refused.json()["code"]) == (429, "busy")
                assert int(refused.headers["Retry-After"]) > 0
            await asyncio.sleep(0.2)
            async with api.stream("GET", web) as again:
                assert again.status_code == 200

    serve(test)


def test_so_many_sockets_and_no_more() -> None:
    sockets = streams.Listeners(2)
    bearer = WebSocket({"type": "websocket", "headers": [(b"authorization", b"Bearer x")]}, _, _)
    with sockets.counted("open"):
        assert sockets.has_room_for(bearer)
        with sockets.counted("open"):
            assert not sockets.has_room_for(bearer)
        assert sockets.has_room_for(bearer)


async def _(*_: Any) -> Any:
    raise AssertionError("nothing is sent or received")


def test_what_a_socket_is_asked_with_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.sockets")
    log.addFilter(NoSockets())
    with caplog.at_level(logging.INFO):
        log.info('%s - "WebSocket %s" [accepted]', "1.2.3.4:5", "/events/1?token=secret")
        log.info('%s - "WebSocket %s" 403', "1.2.3.4:5", "/events/1?token=secret")
        log.info("connection open")
        log.info("connection rejected (%d %s)", 403, "Forbidden")
        log.info("Application startup complete.")
    assert [record.message for record in caplog.records] == ["Application startup complete."]
