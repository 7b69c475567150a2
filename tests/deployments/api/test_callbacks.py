"""Telling backends of the end of their jobs, over real HTTP where it is sent."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api import callbacks
from deployments.api.callbacks import DELIVERY, SIGNATURE, Callbacks, signature
from deployments.api.job_kinds import Reconstructions
from deployments.api.jobs import Jobs
from deployments.api.settings import ApiSettings
from tests.deployments.api.backend import DOCUMENT, SECRET, Backend, documented_check
from tests.deployments.api.service import TOKEN, client_of, runs_on, write_result_of
from tests.deployments.api.stand_in import Prefect


@pytest.fixture
def backend() -> Iterator[Backend]:
    server = Backend()
    yield server
    server.stop()


@pytest.fixture
def settings(tmp_path: Path, backend: Backend) -> ApiSettings:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    return ApiSettings.model_validate(
        {
            "token": TOKEN,
            "input_roots": [tmp_path / "in"],
            "output_roots": [tmp_path / "out"],
            "poll_s": 0.05,
            "callback_hosts": [backend.host, "shop.example"],
            "callback_secret": SECRET,
            "callback_private": True,
        }
    )


@pytest.fixture
def body(tmp_path: Path, backend: Backend) -> dict[str, Any]:
    return {
        "video": str(tmp_path / "in" / "tyre.mp4"),
        "output_glb_path": str(tmp_path / "out" / "tyre.glb"),
        "reference": "order-17",
        "callback_url": f"http://{backend.host}/told?of=17",
    }


async def teller(prefect: Prefect, settings: ApiSettings, **others: Any) -> Callbacks:
    """What a service that was just started has."""
    runs = runs_on(prefect, settings)
    return Callbacks(runs, Jobs(Reconstructions(), runs, settings), settings, **others)


def test_the_end_of_a_job_is_told_once_and_signed(
    settings: ApiSettings, body: dict[str, Any], backend: Backend
) -> None:
    prefect = Prefect()
    body["reference"] = reference = '</script>"\u00e4'

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            path = f"/reconstruct/status/{job}"
            tells = await teller(prefect, settings)
            assert await tells.report_ended() == 0
            assert (await api.get(path)).json()["callback"] == "pending"
            prefect.set(job, "FAILED", "exception: InputError: [video-empty] extract: v. Copy it")
            assert await tells.report_ended() == 1
            assert await tells.report_ended() == 0
            assert (await (await teller(prefect, settings)).report_ended()) == 0
            await asyncio.sleep(0.06)
            assert (await api.get(path)).json()["callback"] == "delivered"
            ((where, headers, content),) = backend.got
            assert where == "/told?of=17"
            assert headers["Host"] == backend.host
            assert headers[DELIVERY] == job
            told = json.loads(content)
            assert told["event"] == "job.failed"
            assert told["job"]["reference"] == reference
            assert content.isascii(), "every receiver reads it alike"
            assert headers["Content-Type"] == "application/json"
            assert told["job"]["error"]["code"] == "video-empty"
            assert "metadata" not in told["job"]
            seconds, value = re.fullmatch(r"t=(\d+),v1=(\w+)", headers[SIGNATURE]).groups()
            text = seconds.encode() + b"." + content
            assert value == hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()

    asyncio.run(ask())


def test_of_a_mesh_that_is_out_of_reach_nothing_is_told_yet(
    settings: ApiSettings, body: dict[str, Any], backend: Backend, tmp_path: Path
) -> None:
    """It would be told once, without the verdict."""
    prefect = Prefect()
    now = [1000.0]

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            verdict = {"verdict": "pass", "reasons": [], "retake": []}
            write_result_of(job, tmp_path, verdict=verdict)
            (tmp_path / "out").rename(tmp_path / "unmounted")
            tells = await teller(prefect, settings, clock=lambda: now[0])
            assert await tells.report_ended() == 0
            assert backend.got == []
            (tmp_path / "unmounted").rename(tmp_path / "out")
            now[0] += 5.1
            await asyncio.sleep(0.06)
            assert await tells.report_ended() == 1
            ((_, _, content),) = backend.got
            assert json.loads(content)["job"]["verdict"] == "pass"

    asyncio.run(ask())


def test_it_is_told_again_with_pauses_until_it_is_heard_over_a_restart(
    settings: ApiSettings, body: dict[str, Any], backend: Backend
) -> None:
    prefect = Prefect()
    now = [1000.0]

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            backend.answers = [500, 302, 404, 429, 503]
            tells = await teller(prefect, settings, clock=lambda: now[0])
            for pause_s in (5.0, 10.0, 20.0):
                assert await tells.report_ended() == 0
                now[0] += pause_s - 0.1
                asked = len(backend.got)
                assert await tells.report_ended() == 0
                assert len(backend.got) == asked
                now[0] += 0.2
            assert len(backend.got) == 3
            # it forgets the pauses, not the job
            tells = await teller(prefect, settings, clock=lambda: now[0])
            assert await tells.report_ended() == 0
            now[0] += 5.1
            assert await tells.report_ended() == 0
            now[0] += 10.1
            assert await tells.report_ended() == 1
            assert len(backend.got) == 6
            assert {headers[DELIVERY] for _, headers, _ in backend.got} == {job}

    asyncio.run(ask())


def test_a_clock_that_is_days_ahead_of_the_servers_gives_up_nothing(
    settings: ApiSettings, body: dict[str, Any], backend: Backend
) -> None:
    prefect = Prefect()
    prefect.ahead = timedelta(days=-10)

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            backend.answers = [500]
            assert await (await teller(prefect, settings)).report_ended() == 0
            assert "callback:pending" in prefect.runs[job]["tags"]
            assert await (await teller(prefect, settings)).report_ended() == 1
            _, headers, content = backend.got[-1]
            signed = headers[SIGNATURE], SECRET, prefect.now().timestamp()
            assert documented_check()(content, *signed), "a backend would refuse it as too old"

    asyncio.run(ask())


def test_after_days_it_is_given_up(
    settings: ApiSettings, body: dict[str, Any], backend: Backend
) -> None:
    prefect = Prefect()

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            prefect.runs[job]["end_time"] = "2026-01-01T00:00:00Z"
            backend.answers = [500] * 9
            ended = datetime(2026, 1, 1, tzinfo=UTC)
            assert (
                await (await teller(prefect, settings)).report_ended(ended + timedelta(days=2.9))
                == 0
            )
            assert "callback:pending" in prefect.runs[job]["tags"]
            assert (
                await (await teller(prefect, settings)).report_ended(ended + timedelta(days=3.1))
                == 0
            )
            assert "callback:given-up" in prefect.runs[job]["tags"]
            assert await (await teller(prefect, settings)).report_ended() == 0
            assert len(backend.got) == 2
            assert "api" in prefect.runs[job]["tags"]

    asyncio.run(ask())


def test_a_host_that_never_answers_keeps_nobody_waiting(
    settings: ApiSettings, body: dict[str, Any], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_ANSWERS_WITHIN_S", 0.3)
    monkeypatch.setattr(callbacks, "_AT_ONCE", 2)
    prefect = Prefect()

    async def ask(silent: socket.socket) -> float:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        both = settings.model_copy(update={"callback_hosts": (backend.host, host)})
        async for api in client_of(prefect, both):
            for n in range(12):
                told = {} if n == 0 else {"callback_url": f"http://{host}/"}
                place = {"output_glb_path": body["output_glb_path"].replace("tyre", f"t{n}")}
                job = (await api.post("/reconstruct", json={**body, **told, **place})).json()
                prefect.set(job["job_id"], "COMPLETED")
        tells = await teller(prefect, both)
        begun = time.monotonic()
        assert await tells.report_ended() == 1
        seconds = time.monotonic() - begun
        assert len(tells._tries) == 2, "those that were not tried are due at the next look"
        await tells.close()
        return seconds

    with socket.create_server(("127.0.0.1", 0)) as silent:  # nobody takes what is sent there
        assert asyncio.run(ask(silent)) < 5 * 0.3, "each waited for those before it"
    assert len(backend.got) == 1


def test_a_host_that_answers_slowly_does_not_hold_up_the_next_look(
    settings: ApiSettings, body: dict[str, Any], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has many jobs and takes seconds for each would keep others waiting for minutes."""
    monkeypatch.setattr(callbacks, "_AT_ONCE", 1)
    prefect = Prefect()

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            for n in range(12):
                place = {"output_glb_path": body["output_glb_path"].replace("tyre", f"t{n}")}
                job = (await api.post("/reconstruct", json=body | place)).json()
                prefect.set(job["job_id"], "COMPLETED")
        # four seconds pass with each
        tells = await teller(prefect, settings, clock=lambda: 4.0 * len(backend.got))
        assert [await tells.report_ended() for _ in range(5)] == [3, 3, 3, 3, 0]
        await tells.close()

    asyncio.run(ask())
    assert len({headers[DELIVERY] for _, headers, _ in backend.got}) == 12


def test_a_job_that_is_started_again_is_told_of_at_its_end_only(
    settings: ApiSettings, body: dict[str, Any], backend: Backend
) -> None:
    prefect = Prefect()

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "CRASHED", "exit code -9")
            tells = await teller(prefect, settings)
            assert await tells.report_ended() == 0
            runs = runs_on(prefect, settings)
            assert await Jobs(Reconstructions(), runs, settings).make_again() == 1
            again = list(prefect.runs)[-1]
            assert "callback:pending" not in prefect.runs[again]["tags"]
            prefect.set(again, "COMPLETED")
            await asyncio.sleep(0.06)
            assert await tells.report_ended() == 1
            assert [json.loads(c)["event"] for _, _, c in backend.got] == ["job.completed"]

    asyncio.run(ask())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.7"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:10.0.0.7"],
        ["64:ff9b::a00:7"],
        ["64:ff9b:1::a00:7"],
        ["::10.0.0.7"],
        ["fec0::7"],
        ["2002:a00:7::1"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["224.0.0.1"],
        ["0.0.0.0"],
        ["100.64.0.1"],
    ],
)
def test_a_listed_host_that_leads_inside_is_not_asked(
    settings: ApiSettings,
    body: dict[str, Any],
    addresses: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefect = Prefect()
    open_only = settings.model_copy(update={"callback_private": False})

    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("shop.example", 443)
        return addresses

    async def send(*_: Any, **__: Any) -> httpx.Response:
        raise AssertionError("something was sent")

    async def ask() -> None:
        async for api in client_of(prefect, open_only):
            there = {"callback_url": "https://shop.example/told"}
            job = (await api.post("/reconstruct", json=body | there)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            tells = await teller(prefect, open_only, resolve=resolve)
            monkeypatch.setattr(tells._http, "send", send)
            assert await tells.report_ended() == 0
            assert "callback:pending" in prefect.runs[job]["tags"]

    asyncio.run(ask())


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(
    settings: ApiSettings, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = Prefect()
    open_only = settings.model_copy(update={"callback_private": False})
    sent: list[httpx.Request] = []

    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    async def ask() -> None:
        async for api in client_of(prefect, open_only):
            there = {"callback_url": "https://shop.example/told"}
            job = (await api.post("/reconstruct", json=body | there)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            tells = await teller(prefect, open_only, resolve=resolve)
            tells._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
            assert await tells.report_ended() == 1
        (request,) = sent
        assert str(request.url) == "https://93.184.215.14/told"
        assert request.headers["Host"] == "shop.example"
        assert request.extensions["sni_hostname"] == "shop.example"

    asyncio.run(ask())


def test_a_host_that_is_taken_off_the_list_is_told_nothing_more(
    settings: ApiSettings, body: dict[str, Any], backend: Backend
) -> None:
    prefect = Prefect()

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "COMPLETED")
            shorter = settings.model_copy(update={"callback_hosts": ("shop.example",)})
            assert await (await teller(prefect, shorter)).report_ended() == 0
            assert backend.got == []

    asyncio.run(ask())


def test_the_same_key_with_another_address_is_another_request(
    settings: ApiSettings, body: dict[str, Any]
) -> None:
    async def ask() -> None:
        async for api in client_of(Prefect(), settings):
            key = {"Idempotency-Key": "order-17"}
            first = await api.post("/reconstruct", json=body, headers=key)
            again = await api.post("/reconstruct", json=body, headers=key)
            assert first.json() == again.json()
            other = body | {"callback_url": body["callback_url"] + "&more"}
            answer = await api.post("/reconstruct", json=other, headers=key)
            assert answer.json()["code"] == "idempotency-conflict"

    asyncio.run(ask())


def test_what_the_documents_tell_backends_to_do_accepts_ours_and_nothing_else(
    tmp_path: Path,
) -> None:
    """The examples of docs/operations.md, run: for Python here, for Node where there is one."""
    document = DOCUMENT.read_text()
    is_genuine = documented_check()
    body, now = b'{"event": "job.completed"}', 1_800_000_000
    good = signature(body, now, [SECRET, "the-next-secret-of-ours"])
    other = signature(body, now, ["somebody-else-s-secret"])
    cases = [
        (body, good, now + 299, True),
        (body, good, now + 301, False),
        (body, good, now - 301, False),
        (body + b" ", good, now, False),
        (body, other, now, False),
        (body, good.replace(f"t={now}", f"t={now + 1}"), now, False),
        (body, "", now, False),
        (body, "t=x,v1=", now, False),
    ]
    for content, header, at, expected in cases:
        assert is_genuine(content, header, SECRET, at) is expected, header
    node = re.search(r"```js\n(.*?isGenuine.*?)```", document, re.DOTALL)
    assert node is not None
    told = [[c.decode(), h, SECRET, at] for c, h, at, _ in cases]
    script = tmp_path / "check.mjs"
    script.write_text(
        f"{node[1]}\nconst cases = {json.dumps(told)};\n"
        "console.log(JSON.stringify(cases.map(([b, ...r]) => isGenuine(Buffer.from(b), ...r))));\n"
    )
    try:
        done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no Node here")
    assert done.stderr == ""
    assert json.loads(done.stdout) == [expected for *_, expected in cases]


def test_the_examples_need_nothing_but_the_standard_library() -> None:
    document = DOCUMENT.read_text()
    python = re.search(r"```python\n(.*?is_genuine.*?)```", document, re.DOTALL)
    assert python is not None
    names = re.findall(r"^(?:import|from) (\w+)", python[1], re.MULTILINE)
    assert names
    assert set(names) <= set(sys.stdlib_module_names)
