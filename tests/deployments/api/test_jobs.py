"""Jobs from start to end: status, events, list, cancellation, and runs that are started again."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deployments.api.job_kinds import Reconstructions
from deployments.api.jobs import Jobs
from deployments.api.models import JobStatus
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import Use, client_of, runs_on, write_result_of
from tests.deployments.api.stand_in import Prefect


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


def test_events_tell_every_change_and_end(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
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


def test_a_key_finds_the_job_that_an_earlier_release_took(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    """It knew fewer options; what it did not know stands at its default."""

    async def test(api: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "order-17"}
        first = (await api.post("/reconstruct", json=body, headers=headers)).json()
        asked = prefect.runs[first["job_id"]]["parameters"]["request"]
        roots = [str(tmp_path.resolve() / name) for name in ("in", "out")]
        assert [*asked["input_roots"], *asked["output_roots"]] == roots
        for name in ("plain", "input_roots", "output_roots"):
            asked.pop(name)
        again = await api.post("/reconstruct", json=body, headers=headers)
        assert (again.status_code, again.json()) == (202, first)
        other = await api.post("/reconstruct", json={**body, "plain": True}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")
        prefect.runs[first["job_id"]]["parameters"]["request"]["of_a_newer_release"] = True
        other = await api.post("/reconstruct", json=body, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")

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


def test_many_who_ask_cost_one_request(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], settings: ApiSettings
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        answers = await asyncio.gather(*(api.get(f"/reconstruct/status/{job}") for _ in range(20)))
        assert all(a.status_code == 200 for a in answers)
        assert prefect.reads < 10

    use(test)


def test_who_asks_while_a_status_is_read_waits_for_it(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    """Of a slow server nothing is asked twice, however long it takes."""

    async def test(api: httpx.AsyncClient) -> None:
        job = (await api.post("/reconstruct", json=body)).json()["job_id"]
        before, prefect.takes_s = prefect.reads, 0.3
        first = asyncio.create_task(api.get(f"/reconstruct/status/{job}"))
        await asyncio.sleep(0.15)  # three times as long as a status is kept
        later = await api.get(f"/reconstruct/status/{job}")
        assert (await first).json() == later.json()
        assert prefect.reads == before + 1

    use(test)


def test_a_status_that_was_told_is_forgotten(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any], tmp_path: Path
) -> None:
    """With all that a result says of itself, hundreds of them are tens of megabytes."""

    def kept() -> int:
        gc.collect()
        # isinstance would look into objects that warn of being looked into
        return sum(type(each) is JobStatus for each in gc.get_objects())

    async def test(api: httpx.AsyncClient) -> None:
        before = kept()
        for number in range(5):
            place = {"output_glb_path": str(tmp_path / "out" / f"{number}.glb")}
            job = (await api.post("/reconstruct", json=body | place)).json()["job_id"]
            assert (await api.get(f"/reconstruct/status/{job}")).status_code == 200
        await asyncio.sleep(0.2)
        assert kept() == before

    use(test)


async def _status_of(api: httpx.AsyncClient, job: str) -> Any:
    await asyncio.sleep(0.06)
    return (await api.get(f"/reconstruct/status/{job}")).json()


def test_a_job_whose_process_died_is_started_again(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, tmp_path: Path
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            runs = runs_on(prefect, settings)
            # two processes of the service
            one, other = (Jobs(Reconstructions(), runs, settings) for _ in range(2))
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
            runs = runs_on(prefect, settings)
            assert await Jobs(Reconstructions(), runs, settings).make_again() == 0
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


def test_a_list_tells_of_jobs_what_their_status_tells(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, tmp_path: Path
) -> None:
    """The first runs of all crashed; what came of the jobs, their latest runs tell."""

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            runs = runs_on(prefect, settings)
            jobs, latest = Jobs(Reconstructions(), runs, settings), {}
            for name in ("made", "refused", "at work", "waiting", "stopped"):
                place = {"output_glb_path": str(tmp_path / "out" / f"{name}.glb")}
                answer = await api.post("/reconstruct", json=body | place | {"reference": name})
                job = answer.json()["job_id"]
                prefect.set(job, "CRASHED", "exit code -9")
                assert await jobs.make_again() == 1
                latest[name] = list(prefect.runs)[-1]
            prefect.set(latest["made"], "COMPLETED")
            prefect.set(latest["refused"], "FAILED", "InputError: [video-empty] extract: v. Copy")
            prefect.set(latest["at work"], "RUNNING")
            prefect.set(latest["waiting"], "CRASHED", "exit code -9")
            prefect.set(latest["stopped"], "CANCELLED")
            right = {
                "made": "completed",
                "refused": "failed",
                "at work": "processing",
                "waiting": "queued",
                "stopped": "failed",
            }
            listed = (await api.get("/reconstruct")).json()["jobs"]
            assert {job["reference"]: job["status"] for job in listed} == right
            assert [job["reference"] for job in listed] == list(right)[::-1]
            for job in listed:
                told = await _status_of(api, job["job_id"])
                shared = ("status", "reference", "created_at", "finished_at")
                assert {k: job[k] for k in shared} == {k: told[k] for k in shared}
            for status in ("completed", "failed", "processing", "queued"):
                listed = (await api.get(f"/reconstruct?status={status}")).json()
                names = {job["reference"] for job in listed["jobs"]}
                assert names == {name for name, told in right.items() if told == status}
                assert listed["cursor"] is None
            page = (await api.get("/reconstruct?status=failed&limit=1")).json()
            assert [job["reference"] for job in page["jobs"]] == ["stopped"]
            rest = (await api.get(f"/reconstruct?status=failed&cursor={page['cursor']}")).json()
            assert [job["reference"] for job in rest["jobs"]] == ["refused"]
            await runs.close()

    asyncio.run(ask())


def test_a_job_that_crashed_long_ago_has_failed(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings
) -> None:
    """Nobody starts it again, so that it waits for nothing."""

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "CRASHED", "exit code -9", ended="2026-01-01T00:00:00Z")
            runs = runs_on(prefect, settings)
            assert await Jobs(Reconstructions(), runs, settings).make_again() == 0
            told = await _status_of(api, job)
            assert (told["status"], told["error"]["code"]) == ("failed", "crashed")
            await runs.close()

    asyncio.run(ask())


def test_all_that_crashed_are_started_again_however_many_failed_since(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, tmp_path: Path
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            first = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(first, "CRASHED", "exit code -9")
            runs = runs_on(prefect, settings)
            for number in range(250):
                request = prefect.runs[first]["parameters"]
                run, _ = await runs.start(request, f"bad-{number}", None, ["attempt:1"])
                prefect.set(run["id"], "FAILED", "InputError: [video-empty] extract: v. Copy it")
            jobs = Jobs(Reconstructions(), runs, settings)
            assert await jobs.make_again() == 1
            assert (await _status_of(api, first))["attempts"] == 2
            prefect.set(list(prefect.runs)[-1], "CRASHED", "exit code -9")
            assert await jobs.make_again() == 1
            await runs.close()

    asyncio.run(ask())


def test_one_that_prefect_does_not_take_keeps_none_from_being_started_again(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, tmp_path: Path
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            runs = runs_on(prefect, settings)
            for number in range(9):
                place = {"output_glb_path": str(tmp_path / "out" / f"{number}.glb")}
                job = (await api.post("/reconstruct", json=body | place)).json()["job_id"]
                prefect.set(job, "CRASHED", "exit code -9")
            prefect.refused = {f"reconstruct-{number}" for number in (0, 4, 8)}
            jobs = Jobs(Reconstructions(), runs, settings)
            assert await jobs.make_again() == 6
            prefect.refused = set()  # somebody has mended it
            assert await jobs.make_again() == 3
            await runs.close()

    asyncio.run(ask())


def test_a_job_is_cancelled_before_it_is_started_again(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "CRASHED", "exit code -9")
            told = (await api.delete(f"/reconstruct/{job}")).json()
            assert (told["status"], told["error"]["code"]) == ("failed", "cancelled")
            runs = runs_on(prefect, settings)
            assert await Jobs(Reconstructions(), runs, settings).make_again() == 0
            assert len(prefect.runs) == 1
            await runs.close()

    asyncio.run(ask())


@pytest.mark.parametrize("days", [-20_000, -2, -0.1, 0.1, 2], ids=lambda days: f"{days} days")
def test_a_job_is_started_again_whatever_the_time_is_on_this_machine(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, days: float
) -> None:
    """Runs end by the clock of Prefect's server, which is as many days ahead."""
    prefect.ahead = timedelta(days=days)

    async def ask() -> None:
        async for api in client_of(prefect, settings):
            runs = runs_on(prefect, settings)
            jobs = Jobs(Reconstructions(), runs, settings)
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            prefect.set(job, "CRASHED", "exit code -9")
            assert (await _status_of(api, job))["status"] == "queued"
            assert await jobs.make_again() == 1
            prefect.set(list(prefect.runs)[-1], "CRASHED", "exit code -9")
            assert await jobs.make_again() == 1
            await runs.close()

    asyncio.run(ask())


@pytest.mark.parametrize("hours", [-1.0, 1.0, 24.0, -500_000.0], ids=lambda hours: f"{hours} h")
def test_a_clock_that_is_set_while_the_service_runs_loses_no_job(
    prefect: Prefect, body: dict[str, Any], settings: ApiSettings, hours: float
) -> None:
    async def ask() -> None:
        async for api in client_of(prefect, settings):
            runs = runs_on(prefect, settings)
            jobs = Jobs(Reconstructions(), runs, settings)
            job = (await api.post("/reconstruct", json=body)).json()["job_id"]
            assert await jobs.make_again() == 0
            prefect.ahead = timedelta(hours=hours)
            prefect.set(job, "CRASHED", "exit code -9")
            assert await jobs.make_again() + await jobs.make_again() == 1
            prefect.ahead = timedelta()
            prefect.set(list(prefect.runs)[-1], "CRASHED", "exit code -9")
            assert await jobs.make_again() + await jobs.make_again() == 1
            await runs.close()

    asyncio.run(ask())
