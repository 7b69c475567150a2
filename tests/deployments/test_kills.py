"""Whatever of the whole service is killed, whenever: ``make kills``.

Jobs are asked of the API; meanwhile something is killed every few seconds: the process of a run, a
worker, both at once, Prefect's server, the API. Every job must be completed, with the very bytes
that it has when nothing is killed, and nothing else may lie beside them.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.jobs import all_ended, asked, digest, film, started, status
from tests.deployments.stack import Stack, parent_of, process_of, until
from tests.support.fuzz import tell

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("TYRE3D_TEST_KILLS", "200"))
SEED = int(os.environ.get("TYRE3D_TEST_SEED", "0")) or time.time_ns() % 100_000
FILMS = 3
PER_ROUND = 12
"""After so many kills the jobs at hand are let come to their end."""
PAUSE_S = (0.2, 5.0)
VICTIMS = {"run": 8, "worker": 5, "server": 2, "API": 2, "run and worker": 1}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    often = {"TYRE3D_API_ATTEMPTS": "20", "TYRE3D_API_MAKE_AGAIN_EVERY_S": "1"}
    stack = Stack(tmp_path / "stack", TYRE3D_API_RATE_PER_S="0", **often)
    try:
        stack.start_server()
        stack.deploy("--silence-s", "70", "--start-within-s", "90")
        stack.start_api()
        for name in ("cpu-1", "cpu-2"):
            _start_worker(stack, name)
        yield stack
    finally:
        stack.stop_all()


def _start_worker(stack: Stack, name: str) -> None:
    told = ["--name", f"{name}-{time.time_ns()}", "--silence-s", "60"]
    stack.start(name, "flows.cli", "worker", "cpu", *told)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _killed(stack: Stack, rng: random.Random) -> str | None:
    """Kill something, and start it again; what it was, None where it was not there."""
    victim = rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
    if victim in ("server", "API"):
        name = victim.lower()
        stack.stop(name, signal.SIGKILL)
        time.sleep(rng.uniform(0, 2))
        stack.start_server() if name == "server" else stack.start_api()
        return victim
    name = rng.choice(["cpu-1", "cpu-2"])
    if victim == "worker":
        _kill(stack.processes[name].pid)
        stack.processes.pop(name).wait()
        _start_worker(stack, name)
        return victim
    run = stack.running(*(f"reconstruct-film{number}" for number in range(FILMS)))
    child = process_of(run) if run else 0
    if run is None or not Path(f"/proc/{child}").is_dir():
        return None
    workers = {stack.processes[n].pid: n for n in ("cpu-1", "cpu-2")}
    with contextlib.suppress(FileNotFoundError):
        worker = parent_of(child)
        if victim == "run and worker" and worker in workers:
            os.kill(worker, signal.SIGSTOP)  # it must not tell of the end of its child
            _kill(child)
            _kill(worker)
            stack.processes.pop(workers[worker]).wait()
            _start_worker(stack, workers[worker])
            return victim
    _kill(child)
    return "run"


def test_nothing_is_lost_and_all_is_alike_to_the_byte(stack: Stack) -> None:
    rng, killed = random.Random(SEED), Counter[str]()
    films = [film(stack, f"film{number}", number) for number in range(FILMS)]
    out = stack.folder / "out"

    def round_of(number: int) -> tuple[list[str], list[Path]]:
        """Jobs that make all films from the start."""
        shutil.rmtree(stack.folder / "home" / "artifacts", ignore_errors=True)
        (out / str(number)).mkdir()
        glbs = [out / str(number) / f"{source.name}.glb" for source in films]
        jobs = [
            started(stack, source, glb, f"{number}:{source.name}")
            for source, glb in zip(films, glbs, strict=True)
        ]
        return jobs, glbs

    jobs, glbs = round_of(0)
    until("the jobs that nothing disturbs", lambda: all_ended(stack, jobs))
    expected = [digest(glb) for glb in glbs]
    assert len(set(expected)) == FILMS
    rounds, attempts = 0, 0
    while killed.total() < KILLS:
        rounds += 1
        jobs, glbs = round_of(rounds)
        here = 0
        while not all_ended(stack, jobs):
            time.sleep(rng.uniform(*PAUSE_S))
            if here < PER_ROUND and killed.total() < KILLS and (what := _killed(stack, rng)):
                killed[what] += 1
                here += 1
        ends = [status(stack, job) for job in jobs]
        attempts += sum(end["attempts"] for end in ends)
        wrong = _wrong(ends, glbs, expected)
        told = ", ".join(f"{number} × {what}" for what, number in killed.most_common())
        tell(
            "kills at random, of runs, workers, server and API, while jobs are made",
            here,
            0 if wrong else here,
            f"{told}; {rounds * FILMS} jobs in {attempts} runs"
            f"{'' if wrong else ', all completed, GLBs alike to the byte'}",
        )
        assert not wrong, (SEED, rounds, wrong)
        asked(stack, "GET", "/health")


def _wrong(ends: list[dict[str, Any]], glbs: list[Path], expected: list[str]) -> list[Any]:
    """What is not as it is when nothing is killed."""
    bad = [end for end in ends if end["status"] != "completed" or not end["result_is_there"]]
    if bad or [digest(glb) for glb in glbs] != expected:
        return bad or ["the bytes of the GLBs differ"]
    ending = ("glb", "html", "json", "medium.glb", "preview.glb")
    names = {f"{glb.stem}.{end}" for glb in glbs for end in ending}
    return sorted({p.name for p in glbs[0].parent.iterdir()} ^ names)
