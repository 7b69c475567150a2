"""The service against a stand-in of Prefect's HTTP API; the services tests use a real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError

from deployments.api.app import create_app
from deployments.api.prefect_runs import PrefectRuns
from deployments.api.settings import ApiSettings
from tests.deployments.stand_in import Prefect

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    (tmp_path / "in" / "frames").mkdir(parents=True)
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "out").mkdir()
    return ApiSettings.model_validate(
        {
            "token": TOKEN,
            "input_roots": [tmp_path / "in"],
            "output_roots": [tmp_path / "out"],
            "poll_s": 0.05,
        }
    )


Use = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]


@pytest.fixture
def use(
    prefect: Prefect, settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Use], None]:
    def run(test: Use) -> None:
        async def within() -> None:
            async for client in _client(prefect, settings):
                await test(client)

        asyncio.run(within())

    return run


async def _client(prefect: Prefect, settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    runs = PrefectRuns(settings)
    await runs._http.aclose()
    runs._http = httpx.AsyncClient(
        base_url=settings.prefect_url, transport=httpx.MockTransport(prefect.answer)
    )
    transport = httpx.ASGITransport(create_app(settings, runs))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", headers=headers
    ) as client:
        yield client
    await runs.close()


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    return {
        "video": str(tmp_path / "in" / "tyre.mp4"),
        "output_glb_path": str(tmp_path / "out" / "tyre.glb"),
        "preset": "fast",
    }


def test_a_job_from_its_start_to_its_end(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.post("/reconstruct", json=body)
        assert answer.status_code == 202
        job = answer.json()["job_id"]
        assert answer.json() == {"job_id": job, "status": "queued"}
        assert prefect.runs[job]["parameters"]["request"]["preset"] == "fast"

        async def status() -> Any:
            import asyncio

            await asyncio.sleep(0.06)
            return (await api.get(f"/reconstruct/status/{job}")).json()

        assert (await status())["status"] == "queued"
        prefect.set(job, "RUNNING")
        prefect.progress[job] = (40.0, "infer")
        told = await status()
        assert (told["status"], told["progress"], told["stage"]) == ("processing", 0.4, "infer")
        prefect.set(job, "COMPLETED")
        assert (await status())["metadata"] == {"output_path": body["output_glb_path"]}
        (tmp_path / "out" / "tyre.json").write_text('{"num_vertices": 3}')
        told = await status()
        assert (told["progress"], told["metadata"]) == (1.0, {"num_vertices": 3})
        prefect.set(job, "FAILED", "exception: InputError: [video-empty] extract: v. Copy it")
        error = (await status())["error"]
        assert error == {"code": "video-empty", "stage": "extract", "message": "v. Copy it"}

    use(test)


def test_events_tell_every_change_and_end(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    import asyncio

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]

        async def work() -> None:
            for kind in ("RUNNING", "COMPLETED"):
                await asyncio.sleep(0.3)
                prefect.set(job, kind)

        working = asyncio.ensure_future(work())
        text = (await api.get(f"/reconstruct/events/{job}")).text
        await working
        told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        assert [t["status"] for t in told] == ["queued", "processing", "completed"]

    use(test)


def test_the_same_key_finds_the_same_job(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "order-17"}
        first = await api.post("/reconstruct", json=body, headers=headers)
        again = await api.post("/reconstruct", json=body, headers=headers)
        assert first.json() == again.json()
        other = await api.post("/reconstruct", json={**body, "preset": "high"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")
        assert len(prefect.runs) == 1

    use(test)


def test_cancelling(use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        answer = await api.delete(f"/reconstruct/{job}")
        assert answer.status_code == 202
        assert prefect.runs[job]["state_type"] == "CANCELLING"
        prefect.set(job, "CANCELLED")
        answer = await api.delete(f"/reconstruct/{job}")
        assert answer.json()["error"]["code"] == "cancelled"
        assert prefect.runs[job]["state_type"] == "CANCELLED"

    use(test)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"unknown": 1}, "Extra inputs"),
        ({"video": None}, "give either"),
        ({"preprocessing_output_dir": "/srv/frames"}, "give either"),
        ({"mc_resolution": 99999}, "less than"),
        ({"model": "/etc"}, "must be one of"),
        ({"session": "evil"}, "must be one of"),
        ({"video": {"__prefect_kind": "jinja", "template": "{{ 6 * 7 }}"}}, "kind is refused"),
        ({"extra": [{"deep": {"__prefect_kind": "json", "value": "1"}}]}, "kind is refused"),
        ({"video": "relative.mp4"}, "path-refused"),
        ({"video": "/etc/passwd"}, "path-refused"),
        ({"video": "IN/../secret.mp4"}, "path-refused"),
        ({"video": "IN/link.mp4"}, "path-refused"),
        ({"video": "IN"}, "path-refused"),
        ({"video": "IN/frames"}, "path-refused"),
        ({"video": "IN/gone.mp4"}, "input-missing"),
        ({"video": "IN/a\0b.mp4"}, "path-refused"),
        ({"output_glb_path": "IN/tyre.glb"}, "path-refused"),
        ({"output_glb_path": "OUT/tyre.py"}, "path-refused"),
        ({"output_glb_path": "OUT/.glb"}, "path-refused"),
        ({"output_glb_path": "OUT/../../tyre.glb"}, "path-refused"),
    ],
)
def test_what_is_refused(
    use: Callable[[Use], None],
    prefect: Prefect,
    body: dict[str, Any],
    change: dict[str, Any],
    why: str,
    tmp_path: Path,
) -> None:
    text = json.dumps(body | change)
    text = text.replace('"IN', f'"{tmp_path}/in').replace('"OUT', f'"{tmp_path}/out')

    async def test(api: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await api.post("/reconstruct", content=text, headers=headers)
        assert answer.status_code == 422, answer.text
        assert why in answer.text

    use(test)
    assert not prefect.runs


def test_places_in_s3_are_taken_below_configured_prefixes(
    prefect: Prefect,
) -> None:
    roots = {"input_roots": ["s3://tyres/in"], "output_roots": ["s3://tyres/out"]}
    told = ApiSettings.model_validate({"token": TOKEN, **roots})
    good = {"video": "s3://tyres/in/a.mp4", "output_glb_path": "s3://tyres/out/a.glb"}

    async def ask() -> None:
        async for api in _client(prefect, told):
            answer = await api.post("/reconstruct", json=good)
            assert answer.status_code == 202, answer.text
            (run,) = prefect.runs.values()
            assert run["parameters"]["request"]["input"] == good["video"]
            assert run["parameters"]["request"]["glb_path"] == good["output_glb_path"]
            for bad in (
                {"video": "s3://other/in/a.mp4"},
                {"video": "s3://tyres/in"},
                {"video": "s3://tyres/in/../a.mp4"},
                {"video": "s3://tyres/inside/a.mp4"},
                {"video": "/etc/passwd"},
                {"output_glb_path": "s3://tyres/out/a.txt"},
                {"output_glb_path": "s3://tyres/in/a.glb"},
            ):
                answer = await api.post("/reconstruct", json=good | bad)
                assert answer.status_code == 422, bad
            assert len(prefect.runs) == 1

    asyncio.run(ask())


def test_who_is_refused(use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        for token in ("", "Bearer wrong", "Bearer ", f"Basic {TOKEN}"):
            api.headers["Authorization"] = token
            assert (await api.post("/reconstruct", json=body)).status_code == 401
            assert (await api.get(f"/reconstruct/status/{uuid4()}")).status_code == 401
            assert (await api.delete(f"/reconstruct/{uuid4()}")).status_code == 401
        assert (await api.get("/health")).json() == {"status": "ok", "prefect": True}
        assert (await api.get("/openapi.json")).status_code == 200

    use(test)
    assert not prefect.runs


def test_other_runs_are_unknown(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.runs[job]["tags"] = []
        for path in (job, uuid4()):
            answer = await api.get(f"/reconstruct/status/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "job-unknown")
            assert (await api.delete(f"/reconstruct/{path}")).status_code == 404
        assert (await api.get("/reconstruct/status/no-uuid")).status_code == 422

    use(test)


def test_large_bodies_and_a_server_that_is_away(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.post("/reconstruct", content=b" " * 70000)
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
        prefect.away = True
        answer = await api.post("/reconstruct", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "prefect-away")
        assert (await api.get("/health")).status_code == 503

    use(test)


def test_a_server_that_is_busy_is_asked_again(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        prefect.busy = 2
        assert (await api.post("/reconstruct", json=body)).status_code == 202
        assert (await api.post("/reconstruct", json=body)).status_code == 202
        assert len(prefect.runs) == 2
        prefect.busy = 99
        assert (await api.post("/reconstruct", json=body)).status_code == 503

    use(test)


def test_a_server_that_demands_tokens_against_forged_requests(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        for token in ("first", "after a restart of the server"):
            prefect.token = token
            assert (await api.post("/reconstruct", json=body)).status_code == 202

    use(test)


def test_many_who_ask_cost_one_request(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], settings: ApiSettings
) -> None:
    import asyncio

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        answers = await asyncio.gather(*(api.get(f"/reconstruct/status/{job}") for _ in range(20)))
        assert all(a.status_code == 200 for a in answers)
        assert prefect.reads < 10

    use(test)


def test_settings_without_a_token_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TYRE3D_API_TOKEN", "TYRE3D_API_INPUT_ROOTS", "TYRE3D_API_OUTPUT_ROOTS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValidationError, match="token"):
        ApiSettings()
    monkeypatch.setenv("TYRE3D_API_TOKEN", TOKEN)
    monkeypatch.setenv("TYRE3D_API_INPUT_ROOTS", '["/in"]')
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", '["/out"]')
    assert TOKEN not in repr(ApiSettings())
