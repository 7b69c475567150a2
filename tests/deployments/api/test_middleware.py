"""What every request passes: its number, the token, what may be done with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import Request

from deployments.api.errors import ApiError
from deployments.api.middleware import allowed, bearer
from deployments.api.tokens import Client
from tests.deployments.api.service import TOKEN, Use


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (f"Bearer {TOKEN}", TOKEN),
        (f"bearer  {TOKEN} ", TOKEN),
        (TOKEN, ""),
        (f"Basic {TOKEN}", ""),
        ("Bearer", ""),
        ("", ""),
        ("Bearer a b", "a b"),
    ],
)
def test_a_header_bears_a_token(header: str, token: str) -> None:
    assert bearer(header) == token


def test_a_route_is_for_clients_that_have_its_scope() -> None:
    request = Request({"type": "http", "headers": [], "state": {}})
    request.state.client = Client("a", frozenset({"read"}))
    assert allowed("read")(request) is request.state.client
    with pytest.raises(ApiError, match="no scope submit") as caught:
        allowed("submit")(request)
    assert (caught.value.status, caught.value.code) == (403, "not-permitted")


def test_every_answer_has_a_number_of_its_own_and_is_no_page(use: Callable[[Use], None]) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        numbers = set()
        for path, token in (("/live", ""), ("/nowhere", ""), ("/nowhere", f"Bearer {TOKEN}")):
            answer = await api.get(path, headers={"Authorization": token, "X-Request-Id": "mine"})
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            numbers.add(answer.headers["X-Request-Id"])
        assert len(numbers) == 3
        assert all(len(number) == 32 for number in numbers), "not what was sent"

    use(test)


def test_a_body_is_bounded_before_the_token_is_of_use_but_not_read_without_one(
    use: Callable[[Use], None],
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        large = b" " * 70_000
        assert (await api.post("/reconstruct", content=large)).status_code == 413
        api.headers["Authorization"] = ""
        assert (await api.post("/reconstruct", content=large)).status_code == 401
        assert (await api.request("GET", "/live", content=large)).status_code == 413

    use(test)


def test_who_leaves_before_the_end_of_a_body_is_no_fault_of_the_service(
    use: Callable[[Use], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        app = api._transport.app  # type: ignore[attr-defined]
        for method, path in (("POST", "/reconstruct"), ("PUT", "/uploads/a.mp4")):
            told = [{"type": "http.request", "body": b"{", "more_body": True}]

            async def receive(told: list[dict[str, Any]] = told) -> dict[str, Any]:
                return told.pop() if told else {"type": "http.disconnect"}

            async def send(_: dict[str, Any]) -> None:
                return

            token = api.headers["Authorization"].encode()
            scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
            headers = [(b"authorization", token), (b"content-length", b"99")]
            await app({**scope, "query_string": b"", "headers": headers}, receive, send)
        assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []

    use(test)
