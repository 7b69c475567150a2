"""The one shape of what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from deployments.api.errors import (
    ApiError,
    FieldError,
    add_handlers,
    in_words,
    refusal,
    request_id,
    speakable,
)


def request_of(**state: str) -> Request:
    return Request({"type": "http", "headers": [], "state": state})


def test_an_error_is_told_with_its_code_and_the_requests_number() -> None:
    error = ApiError(422, "video-empty", "a\x1b[2Jb")
    request = request_of(request_id="n")
    told = in_words(request, error, [FieldError(field="video", message="m")])
    assert told.model_dump() == {
        "code": "video-empty",
        "message": r"a\x1b[2Jb",
        "request_id": "n",
        "fields": [{"field": "video", "message": "m"}],
    }
    answer = refusal(request, error)
    assert answer.status_code == 422
    assert json.loads(bytes(answer.body))["fields"] == []
    assert request_id(request_of()) == ""


def test_headers_say_how_to_ask_and_when() -> None:
    def headers(error: ApiError) -> dict[str, str]:
        answer = refusal(request_of(), error)
        return {k: v for k, v in answer.headers.items() if not k.startswith("content")}

    assert headers(ApiError(401, "not-allowed", "m")) == {"www-authenticate": "Bearer"}
    again = ApiError(503, "busy", "m", retry_after_s=0, headers={"X-A": "b"})
    assert headers(again) == {"retry-after": "0", "x-a": "b"}
    assert headers(ApiError(403, "no", "m")) == {}


def test_a_message_is_bounded() -> None:
    assert speakable("\n" * 5000) == "\\n" * 1000
    assert speakable("Ü\ud800") == "Ü\\ud800"


class Body(BaseModel):
    """A body."""

    count: int


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    add_handlers(app)

    @app.post("/counts")
    def counts(body: Body, most: int = 3) -> int:
        return body.count

    @app.get("/error/{kind}")
    def fail(kind: str) -> None:
        errors: dict[str, Exception] = {
            "ours": ApiError(409, "output-in-use", "m"),
            "framework": HTTPException(418, "a teapot"),
            "fault": ZeroDivisionError("what was sent"),
        }
        raise errors[kind]

    return app


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code", "fields"),
    [
        ("GET", "/error/ours", None, 409, "output-in-use", []),
        ("GET", "/error/framework", None, 418, "http-418", []),
        ("GET", "/error/fault", None, 500, "internal", []),
        ("GET", "/nowhere", None, 404, "not-found", []),
        ("GET", "/counts", None, 405, "method-not-allowed", []),
        ("POST", "/counts", {"count": "SECRET"}, 422, "invalid", ["count"]),
        ("POST", "/counts?most=SECRET", {}, 422, "invalid", ["most", "count"]),
    ],
)
@pytest.mark.anyio
async def test_whatever_goes_wrong_has_one_shape_and_repeats_nothing_that_was_sent(
    app: FastAPI,
    method: str,
    path: str,
    sent: Any,
    status: int,
    code: str,
    fields: list[str],
) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as api:
        answer = await api.request(method, path, json=sent)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code)
    assert set(told) == {"code", "message", "request_id", "fields"}
    assert [field["field"] for field in told["fields"]] == fields
    assert "SECRET" not in answer.text
    assert "what was sent" not in answer.text
