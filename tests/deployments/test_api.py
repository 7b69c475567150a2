"""The service against a stand-in of Prefect's HTTP API; the services tests use a real one."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from deployments.api import prefect_runs
from deployments.api.bodies import depth_of
from deployments.api.errors import ApiError
from deployments.api.jobs import Jobs
from deployments.api.rate import Rate
from deployments.api.settings import ApiSettings
from tests.deployments.service import TOKEN, client_of, runs_on
from tests.deployments.stand_in import Prefect


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_runs, "_PATIENT_PAUSES_S", (0.0, 0.01, 0.01, 0.01))


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    (tmp_path / "in" / "frames").mkdir(parents=True)
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "in" / "loop.mp4").symlink_to(tmp_path / "in" / "loop.mp4")
    (tmp_path / "in" / "list.m3u8").write_text("#EXTM3U")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "loop").symlink_to(tmp_path / "out" / "loop")
    (tmp_path / "out" / "folder.glb").mkdir()
    return ApiSettings.model_validate(
        {
            "token": TOKEN,
            "input_roots": [tmp_path / "in"],
            "output_roots": [tmp_path / "out"],
            "poll_s": 0.05,
        }
    )


JSON = {"Content-Type": "application/json"}
Use = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]


@pytest.fixture
def use(
    prefect: Prefect, settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Use], None]:
    def run(test: Use) -> None:
        async def within() -> None:
            async for client in client_of(prefect, settings):
                await test(client)

        asyncio.run(within())

    return run


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
        assert told["first_word"] is None
        dark = {"code": "film-dark", "level": "review", "message": "it is dark", "advice": "Light"}
        prefect.first_word[job] = [dark]
        assert (await status())["first_word"] == [dark]
        prefect.set(job, "COMPLETED")
        told = await status()
        assert told["metadata"] == {"output_path": body["output_glb_path"]}
        assert not told["result_is_there"]
        verdict = {"verdict": "fail", "reasons": [dark], "retake": ["walk on"]}
        metadata = write_result_of(job, tmp_path, verdict=verdict)
        told = await status()
        assert (told["progress"], told["metadata"]) == (1.0, metadata)
        assert told["result_is_there"]
        assert told["status"] == "completed"
        assert (told["verdict"], told["reasons"], told["retake"]) == ("fail", [dark], ["walk on"])
        assert told["first_word"] == [dark]
        prefect.set(job, "FAILED", "exception: InputError: [video-empty] extract: v. Copy it")
        error = (await status())["error"]
        assert error == {"code": "video-empty", "stage": "extract", "message": "v. Copy it"}

    use(test)


def write_result_of(
    run: str,
    tmp_path: Path,
    glb: bytes = b"glTF and more",
    verdict: dict[str, Any] | None = None,
    beside: dict[str, bytes] | None = None,
) -> dict[str, Any]:
    """What a run writes; without anything beside it as releases did that told no digests."""
    metadata = {
        **(verdict or {}),
        "metadata_path": str(tmp_path / "out" / "tyre.json"),
        "num_vertices": 3,
        "run_id": run,
        "glb_sha256": hashlib.sha256(glb).hexdigest(),
    }
    others = {f"tyre.{name}": content for name, content in (beside or {}).items()}
    if beside is not None:
        told = {**others, "tyre.glb": glb}
        metadata["files"] = {n: hashlib.sha256(c).hexdigest() for n, c in told.items()}
    for name, content in others.items():
        (tmp_path / "out" / name).write_bytes(content)
    (tmp_path / "out" / "tyre.json").write_text(json.dumps(metadata))
    (tmp_path / "out" / "tyre.glb").write_bytes(glb)
    return metadata


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
        ({"diameter_mm": float("nan")}, "diameter_mm"),
        ({"diameter_mm": float("inf")}, "diameter_mm"),
        ({"extra": float("nan")}, "Extra inputs"),
        ({"preset": "\ud800"}, "halves of characters"),
        ({"\ud800": 1}, "halves of characters"),
        ({"video": "IN/r\udce4.mp4"}, "halves of characters"),
        ({"video": "IN/a\nb.mp4"}, "control characters"),
        ({"video": "IN/a\x1b[2Jb.mp4"}, "control characters"),
        ({"video": "IN/a\u202egpj.mp4"}, "control characters"),
        ({"video": "IN/" + 300 * "a" + ".mp4"}, "path-refused"),
        ({"video": "IN/" + 3000 * "a/" + "a.mp4"}, "path-refused"),
        ({"video": "IN/loop.mp4"}, "path-refused"),
        ({"video": "IN/list.m3u8"}, "path-refused"),
        ({"video": None, "preprocessing_output_dir": "IN/tyre.mp4"}, "path-refused"),
        ({"output_glb_path": "OUT/loop/tyre.glb"}, "path-refused"),
        ({"output_glb_path": "OUT/folder.glb"}, "path-refused"),
        ({"output_glb_path": "OUT/" + 251 * "a" + ".glb"}, "too long by 1 bytes"),
        ({"output_glb_path": "OUT/" + 6000 * "a" + ".glb"}, "path-refused"),
        ({"reference": ""}, "reference"),
        ({"reference": "a" * 121}, "reference"),
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
        ({"video": "IN/a\0b.mp4"}, "control characters"),
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
        assert set(answer.json()) == {"code", "message", "request_id", "fields"}
        assert answer.headers["X-Request-Id"] == answer.json()["request_id"]
        assert "NaN" not in answer.text

    use(test)
    assert not prefect.runs


def test_places_in_s3_are_taken_below_configured_prefixes(
    prefect: Prefect,
) -> None:
    roots = {"input_roots": ["s3://tyres/in"], "output_roots": ["s3://tyres/out"]}
    told = ApiSettings.model_validate({"token": TOKEN, **roots})
    good = {"video": "s3://tyres/in/a.mp4", "output_glb_path": "s3://tyres/out/a.glb"}

    async def ask() -> None:
        async for api in client_of(prefect, told):
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
        assert (await api.get("/live")).status_code == 200
        for path in ("/openapi.json", "/docs", "/redoc", "/nowhere"):
            assert (await api.get(path)).status_code == 401
        broken = await api.post("/reconstruct", content=b"{", headers=JSON)
        assert broken.status_code == 401

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
        assert len(prefect.runs) == 1
        prefect.busy = 99
        answer = await api.post("/reconstruct", json=body)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"

    use(test)


def test_a_server_that_demands_tokens_against_forged_requests(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        for token in ("first", "after a restart of the server"):
            prefect.token = token
            other = {"output_glb_path": body["output_glb_path"].replace("tyre", token[:5])}
            assert (await api.post("/reconstruct", json=body | other)).status_code == 202

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


def test_the_health_of_the_server_is_looked_at_now_and_then(
    use: Callable[[Use], None], prefect: Prefect
) -> None:
    """Who has no token must not make the service ask more than it would by itself."""

    async def test(api: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(api.get("/health") for _ in range(5)))
        answers += [await api.get("/health") for _ in range(20)]
        assert {a.status_code for a in answers} == {200}
        assert prefect.looks <= 5
        looked = prefect.looks
        assert (await api.get("/live")).status_code == 200
        assert prefect.looks == looked

    use(test)


def test_settings_without_a_token_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TYRE3D_API_TOKEN", "TYRE3D_API_INPUT_ROOTS", "TYRE3D_API_OUTPUT_ROOTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TYRE3D_API_INPUT_ROOTS", '["/in"]')
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", '["/out"]')
    with pytest.raises(ValidationError, match="token"):
        ApiSettings()
    monkeypatch.setenv("TYRE3D_API_TOKEN", TOKEN)
    monkeypatch.setenv("TYRE3D_API_INPUT_ROOTS", '["/in"]')
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", '["/out"]')
    assert TOKEN not in repr(ApiSettings())


def test_bodies_of_any_kind_are_refused_in_one_shape(
    use: Callable[[Use], None], prefect: Prefect
) -> None:
    bodies = {
        b"NaN": 422,
        b"null": 422,
        b"[]": 422,
        b"": 422,
        b"{": 400,
        b"\xff\xfe": 400,
        b'{"preset": ' + b"[" * 400 + b"]" * 400 + b"}": 400,
        b'{"a": ' * 950 + b"1" + b"}" * 950: 400,
        b'{"num_frames": ' + b"9" * 5000 + b"}": 400,
        b'{"diameter_mm": 1e400}': 422,
        b'{"preset": "\\ud800"}': 422,
    }

    async def test(api: httpx.AsyncClient) -> None:
        for content, status in bodies.items():
            answer = await api.post("/reconstruct", content=content, headers=JSON)
            # RFC 9110 leaves it open whether what cannot be parsed is 400 or 422
            assert answer.status_code in (status, 422), (content[:40], answer.text)
            assert set(answer.json()) == {"code", "message", "request_id", "fields"}
        for method, path, status in (
            ("GET", "/nowhere", 404),
            ("PATCH", "/reconstruct", 405),
            ("GET", "/reconstruct?limit=0", 422),
            ("GET", "/reconstruct/status/%ff", 422),
        ):
            answer = await api.request(method, path)
            assert answer.status_code == status
            assert answer.json()["code"]

    use(test)
    assert not prefect.runs


def test_a_fault_of_the_service_is_told_by_its_number(
    use: Callable[[Use], None], body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Jobs, "start", boom)

    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.post("/reconstruct", json=body)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert answer.json()["request_id"]
        assert "secret" not in answer.text

    use(test)


@given(
    plain=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
@settings_of_hypothesis(max_examples=25, deadline=None, derandomize=True)
def test_no_body_is_a_fault_of_the_service(plain: Any) -> None:
    told = ApiSettings.model_validate(
        {"token": TOKEN, "input_roots": ["/nowhere/in"], "output_roots": ["/nowhere/out"]}
    )

    async def ask() -> None:
        async for api in client_of(Prefect(), told):
            whole = {"video": "/nowhere/in/a.mp4", "output_glb_path": "/nowhere/out/a.glb"}
            for sent in (plain, whole | {"preset": plain}, whole | {"video": plain}):
                content = json.dumps(sent).encode("utf-8", "backslashreplace")
                answer = await api.post("/reconstruct", content=content, headers=JSON)
                assert answer.status_code < 500, (sent, answer.text)

    asyncio.run(ask())


def test_depth_is_counted_outside_of_texts() -> None:
    assert depth_of(b'{"a": [1, {"b": "]]{{[[\\"[["}]}') == 3
    assert depth_of(b'"[[["') == depth_of(b"7") == depth_of(b"") == 0
    assert depth_of(b"[" * 100_000) == 100_000


def test_one_job_at_a_time_writes_to_a_place(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "order-1"}
        first = (await api.post("/reconstruct", json=body, headers=key)).json()["job_id"]
        for state in ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING"):
            prefect.set(first, state)
            answer = await api.post("/reconstruct", json=body | {"diameter_mm": 600})
            assert (answer.status_code, answer.json()["code"]) == (409, "output-in-use")
            assert first in answer.json()["message"]
            again = await api.post("/reconstruct", json=body, headers=key)
            assert again.json()["job_id"] == first
        prefect.set(first, "COMPLETED")
        assert (await api.post("/reconstruct", json=body)).status_code == 202

    use(test)


def test_of_many_at_once_one_gets_the_place(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(api.post("/reconstruct", json=body) for _ in range(9)))
        assert sorted(a.status_code for a in answers) == [202] + [409] * 8
        assert len(prefect.runs) == 1

    use(test)


def test_a_burst_is_taken_a_few_at_a_time(
    use: Callable[[Use], None],
    prefect: Prefect,
    body: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefect_runs, "_CREATIONS_WAITING", 60)

    async def test(api: httpx.AsyncClient) -> None:
        places = [{"output_glb_path": str(tmp_path / "out" / f"{n}.glb")} for n in range(60)]
        asked = (api.post("/reconstruct", json=body | place) for place in places)
        answers = await asyncio.gather(*asked)
        assert {a.status_code for a in answers} == {202}
        assert len(prefect.runs) == 60
        more = [{"output_glb_path": str(tmp_path / "out" / f"b{n}.glb")} for n in range(80)]
        prefect.gate = asyncio.Event()
        posted = [asyncio.create_task(api.post("/reconstruct", json=body | p)) for p in more]
        while sum(task.done() for task in posted) < 80 - 60 or prefect.creating < 2:
            await asyncio.sleep(0.01)
        prefect.gate.set()
        answers = await asyncio.gather(*posted)
        busy = [a for a in answers if a.status_code == 429]
        assert len(busy) == 80 - 60
        assert {a.headers["Retry-After"] for a in busy} == {"5"}
        assert prefect.most_creating == 2

    use(test)


def test_a_job_never_tells_the_figures_of_another(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        first = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(first, "COMPLETED")
        write_result_of(first, tmp_path)
        second = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(second, "COMPLETED")
        write_result_of(second, tmp_path, b"glTF of the second")
        await asyncio.sleep(0.06)

        told = (await api.get(f"/reconstruct/status/{first}")).json()
        assert told["result_is_there"] is False
        assert told["metadata"] == {"output_path": body["output_glb_path"]}
        gone = await api.get(f"/reconstruct/{first}/mesh.glb")
        assert (gone.status_code, gone.json()["code"]) == (410, "result-replaced")
        mesh = await api.get(f"/reconstruct/{second}/mesh.glb")
        assert mesh.content == b"glTF of the second"
        # the JSON of one run, the GLB of another
        (tmp_path / "out" / "tyre.glb").write_bytes(b"glTF of a third")
        assert (await api.get(f"/reconstruct/{second}/mesh.glb")).status_code == 410

    use(test)


@pytest.mark.parametrize("content", ["null", "[1]", "7", "{", '{"run_id": []}', "[" * 90_000])
def test_metadata_that_are_damaged_are_told_as_missing(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path, content: str
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        (tmp_path / "out" / "tyre.json").write_text(content)
        told = (await api.get(f"/reconstruct/status/{job}")).json()
        assert (told["status"], told["result_is_there"]) == ("completed", False)

    use(test)


def test_what_is_no_result_of_ours_is_not_replaced(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        for content in ('{"tyres": [], "counts": {}}', "notes", "null"):
            (tmp_path / "out" / "tyre.json").write_text(content)
            answer = await api.post("/reconstruct", json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "output-foreign")
        assert not prefect.runs

    use(test)


async def _status_of(api: httpx.AsyncClient, job: str) -> Any:
    await asyncio.sleep(0.06)
    return (await api.get(f"/reconstruct/status/{job}")).json()


def test_a_job_whose_process_died_is_started_again(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, tmp_path: Path
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            runs = await runs_on(prefect, settings)
            # two processes of the service
            one, other = Jobs(runs, settings), Jobs(runs, settings)
            job = (await api.post("/reconstruct", json=body | {"reference": "r"})).json()["job_id"]

            status = functools.partial(_status_of, api, job)
            latest = job
            for attempt in (1, 2, 3):
                prefect.set(latest, "CRASHED", "exit code -9")
                if attempt < 3:
                    assert (await status())["status"] == "queued"
                    assert await one.make_again() + await other.make_again() == 1
                    assert await one.make_again() + await other.make_again() == 0
                    latest = list(prefect.runs)[-1]
                    assert (await status())["attempts"] == attempt + 1
                    prefect.set(latest, "RUNNING")
                    assert (await status())["status"] == "processing"
            told = await status()
            assert (told["status"], told["error"]["code"]) == ("failed", "crashed")
            assert await one.make_again() == 0
            assert len(prefect.runs) == 3
            prefect.set(latest, "COMPLETED")
            write_result_of(latest, tmp_path)
            assert (await status())["result_is_there"]
            assert (await api.get(f"/reconstruct/{job}/mesh.glb")).status_code == 200
            await runs.close()

    asyncio.run(ask())


def test_what_failed_for_good_is_not_started_again(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "FAILED", "exception: InputError: [video-empty] extract: v. Copy it")
            runs = await runs_on(prefect, settings)
            assert await Jobs(runs, settings).make_again() == 0
            await runs.close()

    asyncio.run(ask())


def test_jobs_are_listed(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        made = []
        for number in range(5):
            place = {"output_glb_path": str(tmp_path / "out" / f"{number}.glb")}
            reference = {"reference": f"order-{number % 2}"}
            answer = await api.post("/reconstruct", json=body | place | reference)
            assert answer.headers["Location"] == f"/reconstruct/status/{answer.json()['job_id']}"
            made.append(answer.json()["job_id"])
        prefect.set(made[0], "COMPLETED")
        first = (await api.get("/reconstruct?limit=3")).json()
        assert [j["job_id"] for j in first["jobs"]] == made[:1:-1]
        second = (await api.get(f"/reconstruct?limit=3&cursor={first['cursor']}")).json()
        assert [j["job_id"] for j in second["jobs"]] == made[1::-1]
        assert second["cursor"] is None
        done = (await api.get("/reconstruct?status=completed")).json()["jobs"]
        assert [j["job_id"] for j in done] == made[:1]
        ours = (await api.get("/reconstruct?reference=order-1")).json()["jobs"]
        assert [j["job_id"] for j in ours] == [made[3], made[1]]
        assert ours[0]["reference"] == "order-1"

    use(test)


def test_a_glb_is_fetched_whole_in_parts_or_not_at_all(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    glb = bytes(range(100))

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        path = f"/reconstruct/{job}/mesh.glb"
        early = await api.get(path)
        assert (early.status_code, early.json()["code"]) == (409, "not-completed")
        prefect.set(job, "COMPLETED")
        tag = '"' + write_result_of(job, tmp_path, glb)["glb_sha256"] + '"'
        await asyncio.sleep(0.06)
        whole = await api.get(path)
        assert (whole.status_code, whole.content) == (200, glb)
        assert whole.headers["ETag"] == tag
        assert whole.headers["Content-Type"] == "model/gltf-binary"
        for asked, first, last in (
            ("bytes=0-9", 0, 9),
            ("bytes=90-", 90, 99),
            ("bytes=95-500", 95, 99),
            ("bytes=-10", 90, 99),
            ("bytes=-500", 0, 99),
        ):
            part = await api.get(path, headers={"Range": asked})
            assert part.status_code == 206, asked
            assert part.content == glb[first : last + 1]
            assert part.headers["Content-Range"] == f"bytes {first}-{last}/100"
        for asked in ("bytes=100-", "bytes=200-300", "bytes=-0"):
            outside = await api.get(path, headers={"Range": asked})
            assert (outside.status_code, outside.headers["Content-Range"]) == (416, "bytes */100")
        for asked in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b"):
            assert (await api.get(path, headers={"Range": asked})).status_code == 200
        same = await api.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (same.status_code, same.content) == (304, b"")
        stale = {"Range": "bytes=0-9", "If-Range": '"another"'}
        assert (await api.get(path, headers=stale)).status_code == 200

    use(test)


BESIDE = {
    "html": b"<html>",
    "preview.glb": b"glTF, small",
    "atlas.json": b"{}",
    "tread.png": b"PNG",
}


def test_every_file_of_a_job_is_fetched_under_one_name(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    kinds = {
        "mesh.glb": ("model/gltf-binary", b"glTF"),
        "report.html": ("text/html; charset=utf-8", b"<html>"),
        "preview.glb": ("model/gltf-binary", b"glTF, small"),
        "atlas.json": ("application/json", b"{}"),
        "tread.png": ("image/png", b"PNG"),
    }

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        metadata = write_result_of(job, tmp_path, b"glTF", beside=BESIDE)
        told = (await api.get(f"/reconstruct/status/{job}")).json()
        assert sorted(told["files"]) == sorted([*kinds, "metadata.json"])
        for name, (kind, content) in kinds.items():
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.content) == (200, content), name
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            same = {"If-None-Match": answer.headers["ETag"]}
            assert (await api.get(f"/reconstruct/{job}/{name}", headers=same)).status_code == 304
        part = await api.get(f"/reconstruct/{job}/tread.png", headers={"Range": "bytes=1-"})
        assert (part.status_code, part.content) == (206, b"NG")
        assert (await api.get(f"/reconstruct/{job}/metadata.json")).json() == metadata
        for name in ("inner-sidewall.png", "json", "html", "tyre.json", "batch.json"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "file-unknown"), name
            assert "it made mesh.glb" in answer.json()["message"]
        for name in ("..%2Fbatch.json", ".hidden", "Mesh.glb", "a%00b"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert answer.status_code in (404, 405, 422), name

    use(test)


def test_no_file_that_another_wrote_is_told_as_the_jobs(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(job, "COMPLETED")
        write_result_of(job, tmp_path, beside=BESIDE)
        (tmp_path / "out" / "tyre.html").write_bytes(b"another's")
        (tmp_path / "out" / "tyre.tread.png").unlink()
        for name in ("report.html", "tread.png"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.json()["code"]) == (410, "result-replaced"), name
        assert (await api.get(f"/reconstruct/{job}/preview.glb")).status_code == 200
        write_result_of("another-run", tmp_path, beside=BESIDE)
        for name in ("mesh.glb", "metadata.json", "preview.glb", "unknown.png"):
            answer = await api.get(f"/reconstruct/{job}/{name}")
            assert (answer.status_code, answer.json()["code"]) == (410, "result-replaced"), name
        write_result_of(job, tmp_path)  # by a release that told no digests
        assert (await api.get(f"/reconstruct/{job}/mesh.glb")).status_code == 200
        assert (await api.get(f"/reconstruct/{job}/preview.glb")).status_code == 404

    use(test)


def test_an_upload_can_be_reconstructed_and_replaces_nothing(
    use: Callable[[Use], None], body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        videos = []
        for content in (b"one", b"two"):
            answer = await api.put("/uploads/tyre.mp4", content=content)
            assert answer.status_code == 201, answer.text
            assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
            videos.append(Path(answer.json()["video"]))
            assert videos[-1].read_bytes() == content
            assert videos[-1].is_relative_to(tmp_path / "in")
        assert videos[0] != videos[1]
        assert videos[0].read_bytes() == b"one"
        started = await api.post("/reconstruct", json=body | {"video": str(videos[0])})
        assert started.status_code == 202
        for name in (
            "..%2Fa.mp4",
            ".hidden.mp4",
            "a.txt",
            "a.m3u8",
            "a%0ab.mp4",
            "a" * 300 + ".mp4",
        ):
            answer = await api.put(f"/uploads/{name}", content=b"x")
            assert answer.status_code in (404, 422), name
        assert (await api.put("/uploads/empty.mp4", content=b"")).status_code == 422
        assert [p for p in (tmp_path / "in").rglob(".upload-*")] == []

    use(test)


def test_a_form_brings_a_video_as_a_body_does(
    use: Callable[[Use], None], body: dict[str, Any], tmp_path: Path
) -> None:
    content = bytes(range(256)) * 1000

    async def test(api: httpx.AsyncClient) -> None:
        form = {"file": ("tyre one.mp4", content, "video/mp4")}
        answer = await api.post("/uploads", files=form, data={"note": "of no interest"})
        assert answer.status_code == 201, answer.text
        video = Path(answer.json()["video"])
        assert (video.name, video.read_bytes()) == ("tyre one.mp4", content)
        assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
        started = await api.post("/reconstruct", json=body | {"video": str(video)})
        assert started.status_code == 202
        kept = sorted((tmp_path / "in" / "uploads").rglob("*"))
        refused: list[tuple[dict[str, Any], int, str]] = [
            ({"files": [("a", ("a.mp4", b"x")), ("b", ("b.mp4", b"y"))]}, 422, "several files"),
            ({"files": {"file": ("../a.mp4", b"x")}}, 422, "plain name"),
            ({"files": {"file": ("a.m3u8", b"x")}}, 422, "plain name"),
            ({"files": {"file": ("a.mp4", b"")}}, 422, "no content"),
            ({"files": {"note": (None, b"x")}}, 422, "no file"),
            ({"data": {"note": "x"}}, 400, "should be a form"),
            ({"content": b"x" * 40}, 400, "should be a form"),
        ]
        whole = api.build_request("POST", "/uploads", files=form)
        cut = {"Content-Type": whole.headers["Content-Type"]}
        refused.append(({"content": whole.read()[:-70], "headers": cut}, 400, "not complete"))
        refused.append(({"content": b"no form at all", "headers": cut}, 400, "not complete"))
        for options, status, why in refused:
            answer = await api.post("/uploads", **options)
            assert (answer.status_code, why in answer.text) == (status, True), answer.text
            assert set(answer.json()) == {"code", "message", "request_id", "fields"}
        assert sorted((tmp_path / "in" / "uploads").rglob("*")) == kept
        assert [p for p in (tmp_path / "in").rglob(".upload-*")] == []

    use(test)


def test_an_upload_that_is_too_large_leaves_nothing(
    prefect: Prefect, settings: ApiSettings, tmp_path: Path
) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 10})

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"12345"

    async def ask() -> None:
        async for api in client_of(prefect, small):
            for content in (b"x" * 11, pieces()):
                answer = await api.put("/uploads/a.mp4", content=content)
                assert answer.status_code == 413
            for size in (11, 100_000):
                answer = await api.post("/uploads", files={"file": ("a.mp4", b"x" * size)})
                assert answer.status_code == 413
        assert not (tmp_path / "in" / "uploads").exists()

    asyncio.run(ask())


def test_pages_of_listed_origins_may_ask(
    prefect: Prefect, settings: ApiSettings, body: dict[str, Any]
) -> None:
    shop = settings.model_copy(update={"origins": ("https://shop.example",)})
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }

    async def ask() -> None:
        async for api in client_of(prefect, shop):
            del api.headers["Authorization"]
            ours = {"Origin": "https://shop.example"}
            answer = await api.options("/reconstruct", headers=asked | ours)
            assert answer.status_code == 200
            assert answer.headers["Access-Control-Allow-Origin"] == ours["Origin"]
            answer = await api.post("/reconstruct", json=body, headers=ours)
            assert answer.status_code == 401
            assert answer.headers["Access-Control-Allow-Origin"] == ours["Origin"]
            evil = {"Origin": "https://evil.example"}
            answer = await api.options("/reconstruct", headers=asked | evil)
            assert "Access-Control-Allow-Origin" not in answer.headers

    asyncio.run(ask())


def test_a_client_that_asks_too_often_is_told_when_to_ask_again(
    prefect: Prefect, settings: ApiSettings
) -> None:
    slow = settings.model_copy(update={"rate_per_s": 0.5})

    async def ask() -> None:
        async for api in client_of(prefect, slow):
            assert (await api.get("/reconstruct")).status_code == 200
            refused = await api.get("/reconstruct")
            assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
            assert refused.headers["Retry-After"] == "2"
            assert (await api.get("/live")).status_code == 200

    asyncio.run(ask())


def test_a_bucket_of_requests_fills_steadily() -> None:
    now = 0.0
    rate = Rate(10.0, lambda: now)

    def taken(client: str) -> int:
        for number in range(100):
            try:
                rate.take(client)
            except ApiError:
                return number
        return 100

    assert (taken("a"), taken("a"), taken("b")) == (20, 0, 20)
    now = 1.05
    assert (taken("a"), taken("b")) == (10, 10)
    now = 1000.0
    assert taken("a") == 20
    assert Rate(0.0, lambda: now).take("a") is None


def test_tokens_are_replaced_without_a_gap(settings: ApiSettings, prefect: Prefect) -> None:
    both = settings.model_copy(update={"token": SecretStr(f"{TOKEN}, the-next-token-of-ours")})

    async def ask() -> None:
        async for api in client_of(prefect, both):
            for token, status in (
                (TOKEN, 200),
                ("the-next-token-of-ours", 200),
                (f"{TOKEN},", 401),
            ):
                api.headers["Authorization"] = f"Bearer {token}"
                assert (await api.get("/reconstruct")).status_code == status

    asyncio.run(ask())


@pytest.mark.parametrize(
    "change",
    [
        {"token": f"{TOKEN},short"},
        {"token": "change-me-to-something-long"},
        {"origins": ["*"]},
        {"origins": ["https://shop.example/"]},
        {"origins": ["shop.example"]},
    ],
)
def test_settings_that_would_open_the_service_are_refused(
    settings: ApiSettings, change: dict[str, Any]
) -> None:
    told = {"token": TOKEN, "input_roots": ["/in"], "output_roots": ["/out"]}
    with pytest.raises(ValidationError):
        ApiSettings.model_validate(told | change)


def test_figures_for_prometheus(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        ends = {
            "COMPLETED": "",
            "CRASHED": "exit code -9",
            "FAILED": "InputError: [video-empty] extract: v. Copy it",
            "SCHEDULED": "",
        }
        for state, message in ends.items():
            place = {"output_glb_path": str(tmp_path / "out" / f"{state}.glb")}
            job = (await api.post("/reconstruct", json=body | place)).json()["job_id"]
            prefect.set(job, state, message)
        task = {"name": "merge-tyre", "state_name": "Completed", "total_run_time": 2.0}
        cached = {"name": "infer-tyre", "state_name": "Cached", "total_run_time": 0.01}
        prefect.tasks[job] = [task] * 300 + [cached] * 5
        answer = await api.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        told = dict(x.rsplit(" ", 1) for x in answer.text.splitlines() if not x.startswith("#"))
        assert told['tyre3d_jobs{state="scheduled"}'] == "1"
        assert told['tyre3d_jobs{state="running"}'] == "0"
        assert told['tyre3d_jobs_ended_1d{state="completed"}'] == "1"
        assert told['tyre3d_failures_1d{code="crashed"}'] == "1"
        assert told['tyre3d_failures_1d{code="video-empty"}'] == "1"
        assert int(told["tyre3d_queue_age_seconds"]) > 0
        assert told['tyre3d_stage_seconds_1d{stage="merge"}'] == "2.000"
        assert 'tyre3d_stage_seconds_1d{stage="infer"}' not in told
        assert told['tyre3d_stage_runs_1d{stage="merge",state="completed"}'] == "300"
        assert told['tyre3d_stage_runs_1d{stage="infer",state="cached"}'] == "5"
        for place in ("input:0", "output:0"):
            free = int(told[f'tyre3d_disk_free_bytes{{place="{place}"}}'])
            assert 0 < free <= int(told[f'tyre3d_disk_bytes{{place="{place}"}}'])
        del api.headers["Authorization"]
        assert (await api.get("/metrics")).status_code == 401

    use(test)
