"""Timing, the description of the machine, and the rows of the table."""

from __future__ import annotations

import gc
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

REPEATS = 5
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: What was measured.
        goal: What it should reach.
        measured: What it reached, in words and figures.
        met: Whether the goal is met; None where there is no goal or it could not be measured.
        note: The circumstances, where they are not plain.
    """

    what: str
    goal: str
    measured: str
    met: bool | None
    note: str = ""


@dataclass(frozen=True)
class Times:
    """Seconds of repeated runs."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        low, high = min(self.seconds), max(self.seconds)
        digits = 3 if self.median < 1 else 2
        return (
            f"{self.median:.{digits}f} s ({low:.{digits}f} to {high:.{digits}f}, "
            f"{len(self.seconds)} runs)"
        )


def alternating(
    *calls: Callable[[], object],
    repeats: int = REPEATS,
    clock: Callable[[], float] = time.process_time,
) -> list[Times]:
    """Time calls in turn, so that a change of the machine's load affects all of them.

    Args:
        calls: The calls to time, each once per round.
        repeats: Rounds.
        clock: The clock, by default the CPU seconds of the process, which other programs hardly
            change.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, found in zip(calls, seconds, strict=True):
            gc.collect()
            started = clock()
            call()
            found.append(clock() - started)
    return [Times(tuple(found)) for found in seconds]


def in_process(code: str, *arguments: str, repeats: int = 1) -> list[list[float]]:
    """Run Python code in fresh processes; returns the numbers that each prints last."""
    results = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        results.append([float(x) for x in done.stdout.strip().splitlines()[-1].split()])
    return results


def peak_memory_mb() -> float:
    """The largest resident set of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count the parent's memory at the fork
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def matmul_peak(dtype: Any) -> float:
    """Floating-point operations per CPU second of a large matrix product in this process."""
    import torch

    m, n, k = 3072, 4096, 1024
    x = torch.randn(m, k, dtype=torch.float32).to(dtype)
    w = torch.randn(n, k, dtype=torch.float32).to(dtype)
    torch.nn.functional.linear(x, w)
    (times,) = alternating(lambda: torch.nn.functional.linear(x, w), repeats=9)
    return 2 * m * n * k / min(times.seconds)


def measurable_formats() -> list[str]:
    """float32, and bfloat16 where this processor is faster in it."""
    import torch

    from tsr.precision import fast_bfloat16

    return ["float32"] + ["bfloat16"] * fast_bfloat16(torch.device("cpu"))


def without_bfloat16(what: str, goal: str) -> Row:
    """The row of a measurement in bfloat16 on a processor that is not faster in it."""
    return Row(what, goal, "not measured: this processor is not faster in bfloat16", None)


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:  # a machine that has a part of the project, for its GPU
        return False


def machine() -> dict[str, Any]:
    """The machine that the figures were measured on."""
    import torch

    lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout
    facts = dict(line.split(":", 1) for line in lines.splitlines() if ":" in line)
    flags = facts.get("Flags", "").split()
    names = ("torch", "onnxruntime", "opencv-python-headless", "prefect", "rembg")
    return {
        "processor": facts.get("Model name", platform.processor()).strip(),
        "family_model_stepping": "/".join(
            facts.get(k, "?").strip() for k in ("CPU family", "Model", "Stepping")
        ),
        "bfloat16": "bfloat16" in measurable_formats(),
        "features": [f for f in flags if f.startswith(("amx", "avx512_bf16", "avx512_vnni"))],
        "cores": os.cpu_count(),
        "cores_used": len(os.sched_getaffinity(0)),
        "torch_threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names if _installed(name)},
    }
