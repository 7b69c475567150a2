"""One job at a time writes to a place, and nothing of others is replaced there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api.settings import ApiSettings
from tests.deployments.api.service import Use, client_of
from tests.deployments.api.stand_in import Prefect


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


@pytest.mark.parametrize(("one", "other"), [("Reifen", "REIFEN"), ("r\u00e4der", "ra\u0308der")])
def test_names_that_a_share_takes_for_one_are_one_place(
    use: Callable[[Use], None], body: dict[str, Any], tmp_path: Path, one: str, other: str
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        for name, status in ((one, 202), (other, 409), (f"{other}2", 202)):
            place = {"output_glb_path": str(tmp_path / "out" / f"{name}.glb")}
            assert (await api.post("/reconstruct", json=body | place)).status_code == status

    use(test)


def test_a_job_that_is_to_be_made_again_keeps_its_place(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        first = (await api.post("/reconstruct", json=body)).json()["job_id"]
        prefect.set(first, "CRASHED", "exit code -9")
        answer = await api.post("/reconstruct", json=body | {"diameter_mm": 600})
        assert (answer.status_code, answer.json()["code"]) == (409, "output-in-use")
        prefect.set(first, "FAILED", "InputError: [video-empty] extract: v. Copy it")
        assert (await api.post("/reconstruct", json=body)).status_code == 202

    use(test)


def test_a_comparison_and_a_reconstruction_do_not_write_to_one_place(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    """Both call their metadata and their page alike: tyre.json, tyre.html."""
    sides = {"new": body["video"], "damaged": body["video"]}
    compare = {**sides, "output_dir": str(tmp_path / "out"), "name": "tyre"}

    async def test(api: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "order-1"}
        for path, one, other, theirs in (
            ("/reconstruct", body, "/compare", compare),
            ("/compare", compare, "/reconstruct", body),
        ):
            first = (await api.post(path, json=one, headers=key)).json()["job_id"]
            again = await api.post(path, json=one, headers=key)
            assert again.json()["job_id"] == first
            refused = await api.post(other, json=theirs, headers=key)
            assert (refused.status_code, refused.json()["code"]) == (409, "output-in-use")
            beside = {"output_glb_path": str(tmp_path / "out" / "b.glb"), "name": "b"}
            taken = {k: v for k, v in beside.items() if k in theirs}
            done = await api.post(other, json=theirs | taken)
            assert done.status_code == 202
            for job in (first, done.json()["job_id"]):
                prefect.set(job, "CANCELLED")
            key = {"Idempotency-Key": "order-2"}

    use(test)


def test_of_many_at_once_one_gets_the_place(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(api.post("/reconstruct", json=body) for _ in range(9)))
        assert sorted(a.status_code for a in answers) == [202] + [409] * 8
        assert len(prefect.runs) == 1

    use(test)


def test_who_gives_way_to_another_process_of_the_service_may_ask_again(
    prefect: Prefect, settings: ApiSettings, body: dict[str, Any]
) -> None:
    """Its key would find the run that gave way, for good; and a backend would hear of its end."""

    async def ask() -> None:
        async for one in client_of(prefect, settings):
            async for other in client_of(prefect, settings):
                prefect.gate = asyncio.Event()  # neither sees the other's run before its own
                asked = [
                    asyncio.ensure_future(
                        api.post("/reconstruct", json=body, headers={"Idempotency-Key": key})
                    )
                    for key, api in (("one", one), ("other", other))
                ]
                while prefect.creating < 2:
                    await asyncio.sleep(0.01)
                prefect.gate.set()
                statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
                assert sorted(statuses) == [202, 409]
                (made,) = prefect.runs
                prefect.set(made, "COMPLETED")
                late = ("one", "other")[statuses.index(409)]
                again = await one.post("/reconstruct", json=body, headers={"Idempotency-Key": late})
                assert (again.status_code, again.json()["status"]) == (202, "queued")

    asyncio.run(ask())


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
