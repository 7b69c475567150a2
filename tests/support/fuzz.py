"""How long it is fuzzed: a little and always alike by the tests, long by ``make fuzz``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck
from hypothesis import settings as how

TIMES = int(os.environ.get("TYRE3D_TEST_FUZZ", "1"))
"""So many times the cases of the default tests."""


def examples(number: int) -> how:
    """Settings of hypothesis for so many examples in the default tests."""
    return how(
        max_examples=number * TIMES,
        deadline=None,
        database=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(HealthCheck),
    )
