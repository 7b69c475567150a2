"""When no further way to the poses is tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from configs.stages import PoseConfig
from tasks.poses.hypothesis import Hypothesis, refusal

FIGURES = {"registered_share": 1.0, "outline_agreement": 0.88, "outline_residual_percent": 0.3}


def hypothesis(**figures: float) -> Hypothesis:
    """One that is not refused."""
    return replace(refusal(""), figures={**FIGURES, **figures}, agreements={0: 0.9})


@pytest.mark.parametrize(
    ("figures", "convincing"),
    [
        ({}, True),
        ({"registered_share": 0.8}, False),
        ({"path_jump_deg": 90.0}, False),
        # cameras that hardly moved about a tyre on a bare floor, which they were walked round
        ({"outline_residual_percent": 0.467}, False),
    ],
)
def test_what_convinces(figures: dict[str, float], convincing: bool) -> None:
    assert hypothesis(**figures).is_convincing(PoseConfig()) is convincing
