"""How much it bears: ``make load``. Prints what was measured.

The tyres of the batch are cheap (six small pictures, a tiny network), and every fifth is no video:
what is tried here is the queue and its recovery, not the network.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import write_cut_outs
from tests.deployments.jobs import HEADERS, all_ended, asked, digest, film, started, status
from tests.deployments.stack import Stack, is_whole, until
from tests.support.fuzz import tell

pytestmark = pytest.mark.slow
VIDEOS = int(os.environ.get("TYRE3D_TEST_LOAD_VIDEOS", "100"))
KILL_EVERY = 10
BURST, AT_ONCE = 200, 20
STOPPED_JOBS = 10
PUT_BACK_JOBS = 6
PATIENCE = ("--start-within-s", "120", "--silence-s", "90")
"""Patience of the server with runs that do not start, or of which nothing is heard."""
RATE, SECONDS = 50, int(os.environ.get("TYRE3D_TEST_LOAD_SECONDS", "60"))


@pytest.fixture(params=["sqlite", "postgres"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    settings = request.getfixturevalue("scaled") if request.param == "postgres" else {}
    stack = Stack(tmp_path / "stack", TYRE3D_API_RATE_PER_S="0", **settings)
    stack.database = {"sqlite": "SQLite", "postgres": "Postgres"}[request.param]
    try:
        stack.start_server()
        stack.deploy("--start-within-s", "120")
        yield stack
    finally:
        stack.stop_all()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)  # noqa: T201  figures are what this is run for

    return say


def _write_videos(folder: Path) -> dict[str, bool]:
    """Names of the tyres, and whether each can succeed."""
    good = {}
    for number in range(VIDEOS):
        name = f"tyre{number:03d}"
        good[name] = number % 5 != 4
        if good[name]:
            write_cut_outs(folder / name, range(6), mark=number)
        else:
            (folder / f"{name}.mp4").write_bytes(os.urandom(3000))
    return good


def test_a_long_queue_outlives_many_killed_workers(stack: Stack, say: Any) -> None:
    videos, out = stack.folder / "in", stack.folder / "out"
    good = _write_videos(videos)
    workers = ["worker-1", "worker-2"]
    for name in workers:
        stack.start_worker(name, "cpu")
    started, killed = time.monotonic(), 0
    stack.start_batch("batch", videos, out, *stack.cheap, "--concurrency", str(VIDEOS))

    def ended() -> int:
        told = (out / "batch.json").read_text() if (out / "batch.json").is_file() else "{}"
        counts = json.loads(told).get("counts", {})
        return int(counts.get("completed", 0)) + int(counts.get("failed", 0))

    while stack.processes["batch"].poll() is None:
        if ended() >= KILL_EVERY * (killed + 1) and ended() < VIDEOS:
            victim = workers.pop(0)
            worker = stack.processes.pop(victim)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            killed += 1
            workers.append(f"worker-{killed + 2}")
            stack.start_worker(workers[-1], "cpu")
        time.sleep(0.5)
    seconds = time.monotonic() - started
    assert stack.end("batch") == 1, stack.log("batch")[-3000:]

    entries = {e["name"]: e for e in json.loads((out / "batch.json").read_text())["tyres"]}
    assert set(entries) == set(good)
    assert {n: e["state"] == "completed" for n, e in entries.items()} == good
    assert all(e["error"]["stage"] == "extract" for n, e in entries.items() if not good[n])
    runs = stack.all_runs(name={"like_": "reconstruct-"})
    states = Counter(run["state_type"] for run in runs)
    assert set(states) <= {"COMPLETED", "FAILED", "CRASHED"}
    completed = Counter(run["name"] for run in runs if run["state_type"] == "COMPLETED")
    assert completed == {f"reconstruct-{name}": 1 for name, fine in good.items() if fine}
    assert all(is_whole((out / f"{name}.glb").read_bytes()) for name, fine in good.items() if fine)
    visible = {p.name for p in out.iterdir() if not p.name.startswith(".")}
    ends = (".glb", ".html", ".json", ".medium.glb", ".preview.glb")
    results = {f"{name}{end}" for name, fine in good.items() if fine for end in ends}
    assert visible == results | {"batch.json", "batch.html"}
    assert killed >= VIDEOS // KILL_EVERY - 1
    say(f"{VIDEOS} videos, {killed} workers killed: {dict(states)}, {seconds:.0f} s")
    tell(
        f"films in a queue while workers are killed, server on {stack.database}",
        VIDEOS,
        VIDEOS,
        f"{killed} workers killed, {states['CRASHED']} runs made again, each film once; "
        f"{seconds:.0f} s",
    )


def test_many_ask_for_the_status_of_jobs(stack: Stack, say: Any) -> None:
    stack.start_api()
    jobs = []
    with httpx.Client(base_url=stack.api, headers=HEADERS, timeout=60) as client:
        for number in range(10):
            write_cut_outs(stack.folder / "in" / f"job{number}", range(6), mark=number)
            body = {
                "preprocessing_output_dir": str(stack.folder / "in" / f"job{number}"),
                "output_glb_path": str(stack.folder / "out" / f"job{number}.glb"),
                "device": "cpu",
                "motion": "orbit",
                "num_frames": 2,
                "mc_resolution": 32,
            }
            jobs.append(client.post("/reconstruct", json=body).json()["job_id"])
        stack.start_worker("worker", "cpu")
        until(
            "a job that runs",
            lambda: any(
                client.get(f"/reconstruct/status/{job}").json()["status"] == "processing"
                for job in jobs
            ),
        )

    async def ask() -> list[tuple[int, float]]:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        async with httpx.AsyncClient(
            base_url=stack.api, headers=HEADERS, timeout=30, limits=limits
        ) as client:

            async def one(number: int) -> tuple[int, float]:
                await asyncio.sleep(number / RATE)
                begun = time.perf_counter()
                answer = await client.get(f"/reconstruct/status/{jobs[number % len(jobs)]}")
                return answer.status_code, time.perf_counter() - begun

            return await asyncio.gather(*(one(n) for n in range(RATE * SECONDS)))

    answers = asyncio.run(ask())
    codes = Counter(code for code, _ in answers)
    times = sorted(1000 * seconds for _, seconds in answers)
    median, late = statistics.median(times), times[int(0.99 * len(times))]
    say(
        f"{len(answers)} requests, {RATE} a second, while jobs are made: {dict(codes)}, "
        f"median {median:.1f} ms, 99 % within {late:.0f} ms, longest {times[-1]:.0f} ms"
    )
    tell(
        f"status requests, {RATE} a second while jobs are made, server on {stack.database}",
        len(answers),
        codes[200],
        f"median {median:.1f} ms, 99 % within {late:.0f} ms",
    )
    assert codes == {200: RATE * SECONDS}
    assert median <= 50


def test_a_burst_of_jobs_is_accepted(stack: Stack, say: Any) -> None:
    stack.start_api()
    source = film(stack, "film", 1)

    async def ask() -> list[tuple[int, float]]:
        at_once = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(base_url=stack.api, headers=HEADERS, timeout=600) as client:

            async def one(number: int) -> tuple[int, float]:
                glb = stack.folder / "out" / f"{number}.glb"
                body = {"preprocessing_output_dir": str(source), "output_glb_path": str(glb)}
                async with at_once:
                    begun = time.perf_counter()
                    answer = await client.post("/reconstruct", json=body)
                    return answer.status_code, time.perf_counter() - begun

            return await asyncio.gather(*(one(n) for n in range(BURST)))

    begun = time.monotonic()
    answers = asyncio.run(ask())
    seconds = time.monotonic() - begun
    codes = Counter(code for code, _ in answers)
    longest = max(s for _, s in answers)
    figures = f"{seconds:.0f} s in all, none longer than {longest:.1f} s"
    if codes[503]:
        figures += f"; {codes[503]} answered 503, to be asked again"
    say(f"{BURST} jobs asked for, {AT_ONCE} at a time: {dict(codes)}, {figures}")
    name = f"jobs asked for, {AT_ONCE} at a time, server on {stack.database}"
    tell(name, BURST, codes[202], figures)
    assert codes == {202: BURST}
    jobs = asked(stack, "GET", "/reconstruct?limit=200").json()["jobs"]
    assert len({job["job_id"] for job in jobs}) == min(BURST, 200)


def test_a_worker_that_is_stopped_loses_no_job(stack: Stack, say: Any) -> None:
    """Two workers, stopped in turn by SIGTERM while jobs run; each finishes what it has begun."""
    stack.start_api()
    (stack.folder / "out").mkdir(exist_ok=True)
    jobs = [
        started(stack, film(stack, f"film{n}", n), stack.folder / "out" / f"{n}.glb", f"job-{n}")
        for n in range(STOPPED_JOBS)
    ]
    stopped = 0
    for number in range(2):
        stack.start(f"worker-{number}", "flows.cli", "worker", "cpu")
    while not all_ended(stack, jobs):
        name = f"worker-{stopped}"

        def at_work(worker: str = name) -> Any:
            return stack.running_of(worker) or all_ended(stack, jobs)

        until("a run", at_work, every_s=0.2)
        process = stack.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0, stack.log(name)
        stopped += 1
        stack.start(f"worker-{stopped + 1}", "flows.cli", "worker", "cpu")
    ends = [status(stack, job) for job in jobs]
    done = sum(end["status"] == "completed" and end["attempts"] == 1 for end in ends)
    say(f"{len(jobs)} jobs, {stopped} workers stopped: {done} completed in their first run")
    tell(
        f"jobs while workers are stopped by SIGTERM, server on {stack.database}",
        len(jobs),
        done,
        f"{stopped} workers stopped, every job completed in its first run",
    )
    assert done == len(jobs)


def _backed_up(stack: Stack) -> Callable[[], None]:
    """Back the server's database up while it runs, as docs/operations.md says; puts it back."""
    url = stack.env.get("PREFECT_API_DATABASE_CONNECTION_URL", "").replace("+asyncpg", "")
    copy = stack.folder / "prefect.copy"
    if url:
        subprocess.run(["pg_dump", "--format=custom", f"--file={copy}", url], check=True)
        place, _, name = url.rpartition("/")
        anew = ["-c", f"DROP DATABASE {name} WITH (FORCE)", "-c", f"CREATE DATABASE {name}"]
        restore = ["pg_restore", "--exit-on-error", f"--dbname={url}", str(copy)]

        def restored() -> None:
            subprocess.run(["psql", "--quiet", f"{place}/postgres", *anew], check=True)
            subprocess.run(restore, check=True)

        return restored
    database = stack.folder / "prefect" / "prefect.db"
    with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(copy)) as taken:
        live.backup(taken)

    def put_back() -> None:
        for path in database.parent.glob("prefect.db*"):
            path.unlink()
        shutil.copy(copy, database)

    return put_back


def test_a_database_that_is_put_back_loses_no_job(stack: Stack, say: Any) -> None:
    """It is backed up while jobs run and wait; when all have ended, the backup takes its place."""
    if stack.database == "Postgres" and shutil.which("pg_dump") is None:
        pytest.skip("no pg_dump")
    stack.deploy(*PATIENCE)
    stack.start_api()
    out = stack.folder / "out"
    jobs = [
        started(stack, film(stack, f"film{n}", n), out / f"{n}.glb", f"job-{n}")
        for n in range(PUT_BACK_JOBS)
    ]
    stack.start("worker", "flows.cli", "worker", "cpu")
    until("a run", lambda: stack.running_of("worker"), every_s=0.2)
    put_back = _backed_up(stack)
    before = Counter(status(stack, job)["status"] for job in jobs)
    until("the end of all jobs", lambda: all_ended(stack, jobs))
    digests = [digest(out / f"{n}.glb") for n in range(PUT_BACK_JOBS)]

    for name in ("worker", "api", "server"):
        stack.stop(name)
    put_back()
    stack.start_server()
    stack.deploy(*PATIENCE)
    # on SQLite the server has forgotten whom it waits for
    stack.start("worker", "flows.cli", "worker", "cpu", "--silence-s", "60")
    stack.start_api()
    until("the end of all jobs, again", lambda: all_ended(stack, jobs))
    ends = [status(stack, job) for job in jobs]
    done = sum(end["status"] == "completed" and end["result_is_there"] for end in ends)
    again = sum(end["attempts"] - 1 for end in ends)
    assert digests == [digest(out / f"{n}.glb") for n in range(PUT_BACK_JOBS)]
    figures = (
        f"backed up while {before['processing']} ran and {before['queued']} waited; "
        f"{again} made again, GLBs alike to the byte"
    )
    say(f"{len(jobs)} jobs, the database put back: {done} completed; {figures}")
    name = f"jobs whose server's database is put back, server on {stack.database}"
    tell(name, len(jobs), done, figures)
    assert done == len(jobs)
