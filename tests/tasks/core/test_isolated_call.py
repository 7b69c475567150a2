"""A function in a process of its own: its result, its errors, and how that process can die."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.core.errors import InputError, ResourceError, StorageError
from tasks.core.isolated_call import call_isolated
from tasks.core.progress import listening, report

STAGE = "estimate-poses"


def add(first: int, second: int) -> tuple[int, int]:
    for step in range(3):
        report(STAGE, step, 3)
    return first + second, os.getpid()


def refuse() -> None:
    raise InputError("no-tyre", stage=STAGE, what="no tyre", advice="Film one")


def fail(words: str) -> None:
    raise RuntimeError(words)


def say_and_abort(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    ctypes.CDLL(None).abort()


def end_by(number: int) -> None:
    os.kill(os.getpid(), number)


def much(size: int) -> bytes:
    return bytes(size)


def wait(marker: Path) -> None:
    marker.write_text(str(os.getpid()))
    time.sleep(600)


def test_result_progress_and_a_process_of_its_own() -> None:
    steps: list[tuple[str, int, int]] = []
    with listening(lambda *step: steps.append(step)):
        total, process = call_isolated(STAGE, add, 1, second=2)
    assert total == 3
    assert process != os.getpid()
    assert steps == [(STAGE, n, 3) for n in range(3)]


def test_arguments_and_results_larger_than_a_pipe() -> None:
    assert len(call_isolated(STAGE, much, 3_000_000)) == 3_000_000
    assert call_isolated(STAGE, len, "x" * 3_000_000) == 3_000_000


def test_errors_are_those_that_were_raised() -> None:
    with pytest.raises(InputError, match=r"\[no-tyre\]"):
        call_isolated(STAGE, refuse)
    with pytest.raises(RuntimeError, match="RuntimeError: oh"):
        call_isolated(STAGE, fail, "oh")


@pytest.mark.parametrize("how", [fail, say_and_abort])
@pytest.mark.parametrize(
    "words",
    [
        "SQLite error: database or disk is full",
        "[Errno 28] No space left on device: 'x'",
        "No registered database factory succeeded.",
    ],
)
def test_a_full_disk_is_told_as_such(how: object, words: str) -> None:
    with pytest.raises(StorageError, match=r"\[disk-full\] estimate-poses"):
        call_isolated(STAGE, how, words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGKILL, "out-of-memory"),
        (signal.SIGSEGV, r"crashed.*SIGSEGV"),
        (signal.SIGABRT, r"crashed.*SIGABRT"),
    ],
)
def test_a_process_that_dies_is_an_error_that_may_pass(number: int, told: str) -> None:
    with pytest.raises(ResourceError, match=told) as caught:
        call_isolated(STAGE, end_by, number)
    assert caught.value.retryable


def test_it_ends_with_its_caller(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    code = (
        "from pathlib import Path; from tasks.core.isolated_call import call_isolated; "
        "from tests.tasks.core.test_isolated_call import wait; "
        f"call_isolated('x', wait, Path({str(marker)!r}))"
    )
    root = str(Path(__file__).parents[3])
    with subprocess.Popen([sys.executable, "-c", code], cwd=root) as caller:
        while not marker.exists() or not marker.read_text():
            assert caller.poll() is None
            time.sleep(0.05)
        caller.kill()
    process = Path(f"/proc/{marker.read_text()}")
    end = time.monotonic() + 600  # ends a test that hangs; says nothing of speed
    while process.exists():
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.05)


def test_the_flow_does_not_bring_colmap_into_its_process() -> None:
    code = "import sys, flows.reconstruct; sys.exit('pycolmap' in sys.modules)"
    root = str(Path(__file__).parents[3])
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=600)
