"""Many small runs in one worker: ``make endurance``. What they take must not grow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.deployments.jobs import film, started, status
from tests.deployments.stack import Stack
from tests.support.fuzz import tell

pytestmark = pytest.mark.slow
RUNS = int(os.environ.get("TYRE3D_TEST_RUNS", "500"))
AT_ONCE = 2
WARM = max(RUNS // 2, 10)
"""Runs after which nothing may grow. A worker's memory rises by some 20 MB over its first 250 runs
and stays there: over the next 150 it rose by 0.1 MB (runs that do nothing, same worker)."""
MAY_GROW_MB = 5 if WARM >= 250 else 25
NAMES = ("worker", "api")
PARTS = 4
"""So often memory is looked at on the way."""
_MB = 1_000_000


@dataclass(frozen=True)
class Taken:
    """What a process takes."""

    memory: int
    files: int
    threads: int

    @staticmethod
    def of(pid: int) -> Taken:
        told = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":" in line
        )
        memory = 1024 * int(told["VmRSS"].split()[0])
        return Taken(memory, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(told["Threads"]))


def _bytes(folder: Path) -> int:
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", TYRE3D_API_RATE_PER_S="0")
    try:
        stack.start_server()
        stack.deploy()
        stack.start_api()
        stack.start("worker", "flows.cli", "worker", "cpu", "--limit", str(AT_ONCE))
        yield stack
    finally:
        stack.stop_all()


def _work(stack: Stack, source: Path, out: list[Path], first: int, end: int) -> None:
    """Make the runs from one number to another, one at a time at each place."""
    at_hand: dict[Path, str] = {}
    number = first
    while number < end or at_hand:
        for glb in out:
            if glb in at_hand:
                told = status(stack, at_hand[glb])
                if told["status"] in ("queued", "processing"):
                    continue
                assert told["status"] == "completed", told
                del at_hand[glb]
            if number < end:
                at_hand[glb] = started(stack, source, glb, f"run-{number}")
                number += 1
        time.sleep(0.1)


def test_many_runs_leave_what_a_process_takes_as_it_was(stack: Stack) -> None:
    source = film(stack, "film", 1)
    home, prefect = stack.folder / "home", stack.folder / "prefect"
    out = [stack.folder / "out" / str(place) / "film.glb" for place in range(AT_ONCE)]
    for glb in out:
        glb.parent.mkdir()

    def measured() -> tuple[dict[str, Taken], int, int]:
        taken = {name: Taken.of(stack.processes[name].pid) for name in NAMES}
        return taken, _bytes(home), _bytes(prefect)

    begun = time.monotonic()
    memory: dict[str, list[int]] = {name: [] for name in NAMES}

    def work(first: int, last: int) -> None:
        for start, end in pairwise(first + (last - first) * n // PARTS for n in range(PARTS + 1)):
            _work(stack, source, out, start, end)
            for name in NAMES:
                memory[name].append(Taken.of(stack.processes[name].pid).memory)

    work(0, WARM)
    before, home_before, prefect_before = measured()
    work(WARM, RUNS)
    time.sleep(5)  # what the last run left is cleared up
    after, home_after, prefect_after = measured()
    assert stack.alive("worker")
    assert list((home / "scratch").glob("*")) == []
    grown = {n: (after[n].memory - before[n].memory) / _MB for n in NAMES}
    per_run = (prefect_after - prefect_before) / (RUNS - WARM)
    figures = "; ".join(
        f"{n}: {', '.join(f'{m / _MB:.0f}' for m in memory[n])} MB on the way "
        f"({grown[n]:+.1f}), {after[n].files} handles "
        f"({after[n].files - before[n].files:+d}), {after[n].threads} threads "
        f"({after[n].threads - before[n].threads:+d})"
        for n in NAMES
    )
    tell(
        "small runs in one worker; what grew in the second half stands in brackets",
        RUNS,
        RUNS,
        f"{figures}; artifacts and scratch {(home_after - home_before) / 1000:+.0f} kB; Prefect's "
        f"database {per_run / 1000:.0f} kB a run, its events included; "
        f"{(time.monotonic() - begun) / RUNS:.1f} s a run",
    )
    for name in NAMES:
        assert after[name].files - before[name].files <= 3, (name, before, after)
        assert after[name].threads - before[name].threads <= 3, (name, before, after)
        assert grown[name] <= MAY_GROW_MB, (name, before, after)
    assert home_after - home_before < 100_000
