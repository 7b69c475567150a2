"""How long it is fuzzed: a little and always alike by the tests, long by ``make fuzz``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import HealthCheck
from hypothesis import settings as how

TIMES = int(os.environ.get("TYRE3D_TEST_FUZZ", "1"))
"""So many times the cases of the default tests."""
REPORT = os.environ.get("TYRE3D_TEST_FUZZ_REPORT", "")
"""File to which is added what was tried, one JSON list a line."""


def examples(number: int) -> how:
    """Settings of hypothesis for so many examples in the default tests."""
    return how(
        max_examples=number * TIMES,
        deadline=None,
        database=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(HealthCheck),
    )


def tell(what: str, tried: int, passed: int, figures: str = "") -> None:
    """Note what was tried, where the harness of ``docs/reliability.md`` wants to know.

    Args:
        what: What it was; the same name is counted on.
        tried: How often it was tried.
        passed: How often it came out as it should.
        figures: What was measured, of trials of the whole service.
    """
    if REPORT:
        with Path(REPORT).open("a") as file:
            file.write(json.dumps([what, tried, passed, figures]) + "\n")
