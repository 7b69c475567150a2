"""A stage gives the same bytes with one thread and with several, whatever else runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def digests(folder: Path, threads: int) -> dict[str, str]:
    cores = sorted(os.sched_getaffinity(0))[:threads]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.tasks.core.stage_digests", str(folder)],
        env={**os.environ, **dict.fromkeys(COUNTS, str(threads)), "PYTHONHASHSEED": str(threads)},
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def test_stages_do_not_depend_on_threads_or_load(tmp_path: Path) -> None:
    alone = digests(tmp_path / "alone", threads=1)
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        beside = digests(tmp_path / "beside", threads=2)
    finally:
        neighbour.kill()
        neighbour.wait()
    assert set(alone) == {"poses", "codes", "learned", "weighted", "glb"}
    assert beside == alone
