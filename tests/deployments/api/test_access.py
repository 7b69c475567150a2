"""Who may ask, from where, and how often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from deployments.api import __main__ as service
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import JSON, TOKEN, Use, client_of
from tests.deployments.api.stand_in import Prefect


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


def test_the_service_bounds_connections_and_how_long_it_takes_to_stop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr(service.uvicorn, "run", lambda _, **options: served.update(options))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("TYRE3D_API_TOKEN", TOKEN)
    monkeypatch.setenv("TYRE3D_API_INPUT_ROOTS", json.dumps([str(tmp_path)]))
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", json.dumps([str(tmp_path)]))
    monkeypatch.setenv("TYRE3D_API_MAX_CONNECTIONS", "7")
    assert service.main() == 0
    assert served["limit_concurrency"] == 7
    assert served["timeout_graceful_shutdown"] <= 5
    assert not served["access_log"], "who polls would fill the disk"
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", json.dumps([str(tmp_path / "gone")]))
    served.clear()
    assert (service.main(), served) == (2, {}), "roots are looked at before it serves"
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", f"[{tmp_path}]")  # a shell took the quotes
    capsys.readouterr()
    assert (service.main(), served) == (2, {})
    said = capsys.readouterr().err
    assert "output_roots" in said
    assert len(said.splitlines()) == 1


def test_a_slash_too_many_leads_nowhere_else(use: Callable[[Use], None]) -> None:
    """Not to where Host says: the token would go there, and from TLS to plain HTTP."""

    async def test(api: httpx.AsyncClient) -> None:
        for path in ("/reconstruct/", "/v1/reconstruct/", "/health/", "/live/"):
            answer = await api.get(path, headers={"Host": "evil.example"})
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path
            assert "Location" not in answer.headers

    use(test)
