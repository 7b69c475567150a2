"""What a service is asked that it must refuse, and what befalls the server behind it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from deployments.api import prefect_runs
from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from tests.corpus.case import MADE, Case
from tests.deployments.api.service import TOKEN, client_of
from tests.deployments.api.stand_in import Prefect

Ask = Callable[[httpx.AsyncClient, Prefect, dict[str, Any]], Awaitable[httpx.Response]]


def _asked(ask: Ask, folder: Path) -> None:
    """Ask a service of its own; a refusal is raised as the code that it tells."""
    for name in ("in", "out"):
        (folder / name).mkdir()
    (folder / "in" / "tyre.mp4").write_bytes(b"x")
    settings = ApiSettings.model_validate(
        {
            "token": TOKEN,
            "input_roots": [folder / "in"],
            "output_roots": [folder / "out"],
            "max_upload_bytes": 1000,
            "poll_s": 0.05,
        }
    )
    body = {
        "video": str(folder / "in" / "tyre.mp4"),
        "output_glb_path": str(folder / "out" / "tyre.glb"),
    }

    async def within() -> None:
        prefect = Prefect()
        with mock.patch.object(prefect_runs, "_CREATION_PAUSES_S", (0.0, 0.01)):
            async for api in client_of(prefect, settings):
                answer = await ask(api, prefect, body)
                if not answer.is_success:
                    told = answer.json()
                    assert set(told) == {"code", "message", "request_id", "fields"}
                    raise ApiError(answer.status_code, told["code"], told["message"])

    asyncio.run(within())


async def _send(
    content: str | bytes, api: httpx.AsyncClient, _: Prefect, body: dict[str, Any]
) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return await api.post("/reconstruct", content=content, headers=headers)


async def _change(
    change: dict[str, Any], api: httpx.AsyncClient, _: Prefect, body: dict[str, Any]
) -> httpx.Response:
    text = json.dumps({**body, **change}).replace('"IN', f'"{Path(body["video"]).parent}')
    return await _send(text.replace('"OUT', f'"{Path(body["output_glb_path"]).parent}'), api, _, {})


async def _get(path: str, api: httpx.AsyncClient, _: Prefect, __: Any) -> httpx.Response:
    return await api.get(path)


async def _put(name: str, content: bytes, api: httpx.AsyncClient, *_: Any) -> httpx.Response:
    return await api.put(f"/uploads/{name}", content=content)


async def _form(options: dict[str, Any], api: httpx.AsyncClient, *_: Any) -> httpx.Response:
    return await api.post("/uploads", **options)


async def _compressed(path: str, api: httpx.AsyncClient, _: Prefect, body: Any) -> httpx.Response:
    """A megabyte of a kilobyte."""
    content = gzip.compress(json.dumps(body).encode() + b" " * 1_000_000)
    method = "PUT" if path.startswith("/uploads/") else "POST"
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return await api.request(method, path, content=content, headers=headers)


async def _behind(
    state: dict[str, Any], api: httpx.AsyncClient, prefect: Prefect, body: dict[str, Any]
) -> httpx.Response:
    vars(prefect).update(state)
    return await api.post("/reconstruct", json=body)


async def _unsigned(token: str, api: httpx.AsyncClient, *_: Any) -> httpx.Response:
    return await api.get("/reconstruct", headers={"Authorization": token})


def cases() -> Iterator[Case]:
    """All of them."""
    yield Case("API", "a sound request", (MADE,), partial(_asked, partial(_change, {})))
    bodies: dict[str, tuple[str | bytes, str]] = {
        "no body": (b"", "invalid"),
        "no JSON": (b"{", "invalid"),
        "no UTF-8": (b'{"video": "\xff"}', "bad-request"),
        "null": (b"null", "invalid"),
        "a list": (b"[]", "invalid"),
        "a text": (b'"a"', "invalid"),
        "a body nested deeply": (b"[" * 60_000, "body-too-deep"),
        "a large body": (b" " * 70_000, "body-too-large"),
        "endless digits": (b'{"diameter_mm": ' + b"9" * 60_000 + b"}", "bad-request"),
    }
    for name, (content, code) in bodies.items():
        yield Case("API", name, (code,), partial(_asked, partial(_send, content)))
    changes: dict[str, tuple[dict[str, Any], str]] = {
        "a template": ({"video": {"__prefect_kind": "jinja", "template": "{{ 1 }}"}}, "invalid"),
        "a path that climbs": ({"video": "IN/../../etc/passwd.mp4"}, "path-refused"),
        "another root": ({"video": "/etc/passwd"}, "path-refused"),
        "an input that is not there": ({"video": "IN/gone.mp4"}, "input-missing"),
        "a playlist": ({"video": "IN/a.m3u8"}, "path-refused"),
        "an output that is no GLB": ({"output_glb_path": "OUT/a.sh"}, "path-refused"),
        "an output with a long name": ({"output_glb_path": f"OUT/{'a' * 252}.glb"}, "path-refused"),
        "a path of 6000 signs": ({"video": f"IN/{'a/' * 3000}a.mp4"}, "path-refused"),
        "control characters": ({"video": "IN/a\nb.mp4"}, "invalid"),
        "half a character": ({"reference": "\ud800"}, "invalid"),
        "no number": ({"diameter_mm": float("nan")}, "invalid"),
        "an address to be told that is not listed": (
            {"callback_url": "https://evil.example/"},
            "callback-refused",
        ),
        "an address to be told within": (
            {"callback_url": "http://169.254.169.254/latest"},
            "callback-refused",
        ),
    }
    for name, (change, code) in changes.items():
        yield Case("API", name, (code,), partial(_asked, partial(_change, change)))
    job = "00000000-0000-4000-8000-000000000000"
    paths = {
        f"/reconstruct/status/{job}": "job-unknown",
        f"/reconstruct/{job}/mesh.glb": "job-unknown",
        "/reconstruct/status/x": "invalid",
        "/reconstruct/status/%00": "invalid",
        "/reconstruct?limit=0": "invalid",
        "/reconstruct?cursor=-1": "invalid",
        "/reconstruct?status=lost": "invalid",
        "/nowhere": "not-found",
        "/../../etc/passwd": "not-found",
        f"/reconstruct/{job}/report.html": "job-unknown",
        f"/reconstruct/{job}/../../etc/passwd": "not-found",
        f"/reconstruct/{job}/..%2Fa.json": "not-found",
        f"/reconstruct/{job}/.a": "invalid",
        "/uploads/a.mp4": "method-not-allowed",
    }
    for path, code in paths.items():
        yield Case("API", f"GET {path}", (code,), partial(_asked, partial(_get, path)))
    uploads = {
        "an upload": ("a.mp4", b"x", MADE),
        "an upload of nothing": ("a.mp4", b"", "video-empty"),
        "an upload that is too large": ("a.mp4", bytes(1001), "body-too-large"),
        "an upload of a program": ("a.sh", b"x", "path-refused"),
        "an upload that climbs": ("..%2Fa.mp4", b"x", "not-found"),
        "an upload that hides": (".a.mp4", b"x", "path-refused"),
        # what they hold is looked at where they are read: films, folders
        "an upload of an archive": ("a.zip", b"PK\3\4", "path-refused"),
        "an upload of a picture": ("a.png", b"\x89PNG", "path-refused"),
    }
    for name, (file, content, code) in uploads.items():
        yield Case("API", name, (code,), partial(_asked, partial(_put, file, content)))
    forms: dict[str, tuple[dict[str, Any], str]] = {
        "a form": ({"files": {"file": ("a.mp4", b"x")}}, MADE),
        "a form of nothing": ({"files": {"file": ("a.mp4", b"")}}, "video-empty"),
        "a form without a file": ({"files": {"file": (None, b"x")}}, "invalid"),
        "a form that climbs": ({"files": {"file": ("../a.mp4", b"x")}}, "path-refused"),
        "a form that is too large": (
            {"files": {"file": ("a.mp4", bytes(1001))}},
            "body-too-large",
        ),
        "no form": ({"content": b"x"}, "bad-request"),
        "half a form": (
            {
                "content": b"--a\r\nContent-Disposition: form-data; name=f",
                "headers": {"Content-Type": "multipart/form-data; boundary=a"},
            },
            "bad-request",
        ),
        "a form without an edge": (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            "bad-request",
        ),
    }
    for name, path in {
        "upload": "/uploads/a.mp4",
        "form": "/uploads",
        "job": "/reconstruct",
    }.items():
        run = partial(_asked, partial(_compressed, path))
        yield Case("API", f"a compressed {name}", ("bad-encoding",), run)
    for name, (options, code) in forms.items():
        yield Case("API", name, (code,), partial(_asked, partial(_form, options)))
    for name, token in {
        "no token": "",
        "a wrong token": "Bearer x",
        "a password": "Basic x",
    }.items():
        yield Case("API", name, ("not-allowed",), partial(_asked, partial(_unsigned, token)))
    away = ("prefect-away",)
    yield Case("API", "server away", away, partial(_asked, partial(_behind, {"away": True})))
    yield Case("API", "server busy", away, partial(_asked, partial(_behind, {"busy": 99})))
    yield Case("API", "server busy once", (MADE,), partial(_asked, partial(_behind, {"busy": 1})))
