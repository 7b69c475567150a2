"""The size of a body, its depth, and the way its letters are written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import Request

from deployments.api.body_limits import MAX_DEPTH, bounded_body, depth_of
from deployments.api.errors import ApiError
from tests.deployments.api.service import JSON, Use


def read(*pieces: bytes, length: str | None = None, most: int = 100) -> tuple[bytes, int]:
    """The body of a request that comes in pieces, and how many of them were read."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    headers = [] if length is None else [(b"content-length", length.encode())]
    request = Request({"type": "http", "headers": headers}, receive)
    try:
        return asyncio.run(bounded_body(request, most)), len(pieces) - len(left)
    except ApiError as exc:
        exc.add_note(str(len(pieces) - len(left)))
        raise


def test_a_body_in_pieces_is_put_together() -> None:
    assert read(b'{"a": ', b"[1, 2]", b"}") == (b'{"a": [1, 2]}', 3)
    assert read(b"x" * 100, length="100") == (b"x" * 100, 1)


@pytest.mark.parametrize(
    ("length", "pieces_read"),
    [("101", "0"), ("9" * 5000, "0"), (None, "2"), ("7", "2"), ("x", "2")],
)
def test_one_that_is_too_large_is_read_no_further_than_it_takes_to_know(
    length: str | None, pieces_read: str
) -> None:
    with pytest.raises(ApiError, match="At most 100 bytes") as caught:
        read(b"x" * 60, b"x" * 60, b"x" * 60, length=length)
    assert (caught.value.status, caught.value.code) == (413, "body-too-large")
    assert caught.value.__notes__ == [pieces_read]


def test_depth_has_a_bound() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert read(deepest) == (deepest, 1)
    with pytest.raises(ApiError, match="At most 16 levels") as caught:
        read(b"[" + deepest + b"]")
    assert (caught.value.status, caught.value.code) == (400, "body-too-deep")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le"])
def test_brackets_cannot_hide_from_the_bound_of_depth(
    use: Callable[[Use], None], body: dict[str, Any], encoding: str
) -> None:
    """A byte of U+2200 is that of a quote: after it all seemed to stand in a text."""
    deep = '{"reference": ["\u2200", ' + "[" * 400 + "]" * 400 + "]}"

    async def test(api: httpx.AsyncClient) -> None:
        for text in (deep, json.dumps(body)):
            answer = await api.post("/reconstruct", content=text.encode(encoding), headers=JSON)
            assert answer.status_code == 400, answer.text
            assert "UTF-8" in answer.json()["message"]

    use(test)


def test_depth_is_counted_outside_of_texts() -> None:
    assert depth_of(b'{"a": [1, {"b": "]]{{[[\\"[["}]}') == 3
    assert depth_of(b'"[[["') == depth_of(b"7") == depth_of(b"") == 0
    assert depth_of(b"[" * 100_000) == 100_000
