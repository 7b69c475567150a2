"""Prefect's server is away, busy, or asked by many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api import prefect_runs
from tests.deployments.api.service import Use
from tests.deployments.api.stand_in import Prefect


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


def test_what_changes_a_run_is_asked_again_while_others_write(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    """SQLite refuses at once whoever comes second, several times in a row."""

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.refused_changes = 8
        assert (await api.delete(f"/reconstruct/{job}")).status_code == 202
        assert prefect.refused_changes == 0
        assert prefect.runs[job]["state_type"] == "CANCELLING"

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


def test_the_health_of_the_server_is_looked_at_now_and_then(
    use: Callable[[Use], None], prefect: Prefect
) -> None:
    """Who has no token must not make the service ask more than it would by itself."""

    async def test(api: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(api.get("/health") for _ in range(50)))
        assert prefect.looks == 1
        answers += [await api.get("/health") for _ in range(20)]
        assert {a.status_code for a in answers} == {200}
        assert prefect.looks <= 2
        looked = prefect.looks
        assert (await api.get("/live")).status_code == 200
        assert prefect.looks == looked

    use(test)


def test_a_burst_is_taken_one_after_the_other(
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
        while sum(task.done() for task in posted) < 80 - 60 or prefect.creating < 1:
            await asyncio.sleep(0.01)
        prefect.gate.set()
        answers = await asyncio.gather(*posted)
        busy = [a for a in answers if a.status_code == 429]
        assert len(busy) == 80 - 60
        assert {a.headers["Retry-After"] for a in busy} == {"5"}
        assert prefect.most_creating == 1

    use(test)
