"""From which value of a figure on there is a reason."""

from __future__ import annotations

from configs.stages import Limits
from tasks.verdict.decide import level_of


def test_limits_in_both_directions() -> None:
    low, high = Limits(review=0.9, fail=0.8), Limits(review=1.0, fail=5.0)
    assert [level_of(v, low) for v in (0.95, 0.9, 0.85, 0.8, 0.1)] == [
        None,
        "review",
        "review",
        "fail",
        "fail",
    ]
    assert [level_of(v, high) for v in (0.5, 1.0, 4.9, 5.0)] == [None, "review", "review", "fail"]
    assert level_of(float("nan"), low) is None
