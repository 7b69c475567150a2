"""A stage gives the same bytes with one thread and with several, whatever else runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tasks.core.stage_digests import GROUPS

ROOT = Path(__file__).parents[3]
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def started(folder: Path, group: str, threads: int) -> subprocess.Popen[bytes]:
    """The stages in a process of so many threads on as many cores, if there are."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    told = {**dict.fromkeys(COUNTS, str(threads)), "PYTHONHASHSEED": str(threads)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tasks.core.stage_digests", str(folder), group],
        # threads that wait without turning round wait as well: they compute the same
        env={**os.environ, **told, "OMP_WAIT_POLICY": "passive"},
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.PIPE,
    )


def digests(process: subprocess.Popen[bytes]) -> dict[str, str]:
    told, _ = process.communicate()
    assert process.returncode == 0
    found: dict[str, str] = json.loads(told)
    return found


@pytest.mark.parametrize(
    "group", ["reconstructing", pytest.param("looking", marks=pytest.mark.slow)]
)
def test_stages_do_not_depend_on_threads_or_load(group: str, tmp_path: Path) -> None:
    """Each process is the other's neighbour on the core that they share."""
    with (
        started(tmp_path / "one", group, 1) as one,
        started(tmp_path / "two", group, 2) as two,
    ):
        alone, beside = digests(one), digests(two)
    assert set(alone) == set(GROUPS[group])
    assert beside == alone


IMPORTS = """
import os, sys
found = {}
def heard(event, arguments):
    if event == "import" and arguments[0] in ("torch", "pycolmap"):
        found.setdefault(arguments[0], os.environ.get("GOMP_SPINCOUNT"))
sys.addaudithook(heard)
import importlib
importlib.import_module(sys.argv[1])
import torch, pycolmap
print(found["torch"], found["pycolmap"])
"""


@pytest.mark.parametrize(
    "module", ["flows.reconstruct", "flows.infer", "tasks.training.fusion.trainer", "bench.forward"]
)
def test_threads_know_how_long_to_wait_before_there_are_any(module: str) -> None:
    """Beside another program they wait for minutes otherwise; libgomp reads it once."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", IMPORTS, module]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, timeout=300
    )
    assert answer.stdout.split() == ["2000", "2000"]
