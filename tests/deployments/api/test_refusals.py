"""What is refused, in one shape and without a word of what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from deployments.api.jobs import Jobs
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import JSON, TOKEN, Use, client_of
from tests.deployments.api.stand_in import Prefect


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
        ({"output_glb_path": "OUT/" + 244 * "a" + ".glb"}, "too long by 1 byte"),
        ({"output_glb_path": "OUT/" + 226 * "a" + ".glb", "atlas": True}, "too long by 1 byte"),
        ({"output_glb_path": "OUT/" + 6000 * "a" + ".glb"}, "path-refused"),
        ({"output_glb_path": "OUT/a.medium.glb"}, "those of files beside other results"),
        ({"output_glb_path": "OUT/a.new.glb"}, "those of files beside other results"),
        ({"output_glb_path": "OUT/a.Damaged.glb"}, "those of files beside other results"),
        ({"output_glb_path": "OUT/a.Change.glb"}, "those of files beside other results"),
        ({"output_glb_path": "OUT/a.atlas.glb"}, "those of files beside other results"),
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


@pytest.mark.parametrize("path", ["/reconstruct", "/compare"])
@pytest.mark.parametrize("reference", ["%00", "a%00b", "%0a", "%1b[2J", "%E2%80%AE"])
def test_a_reference_that_no_job_can_have_is_not_asked_for(
    use: Callable[[Use], None], prefect: Prefect, path: str, reference: str
) -> None:
    """Postgres takes no NUL: Prefect answered 503, as if it were away, at three tries."""

    async def test(api: httpx.AsyncClient) -> None:
        answer = await api.get(f"{path}?reference={reference}")
        assert answer.status_code == 422
        told = answer.json()
        assert (told["code"], told["fields"][0]["field"]) == ("invalid", "reference")
        refused = "control characters and halves of characters are refused"
        assert told["message"] == f"reference: {refused}"
        answer = await api.post(path, json={"reference": "a\0"})
        assert answer.json()["message"] == refused  # of a body as a whole: of no field

    use(test)


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
