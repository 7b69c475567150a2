"""Angles are the same after whole turns."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from tasks.geometry.angles import wrapped, wrapped_deg

ROOT = Path(__file__).parents[3]
BY_HAND = re.compile(r"(%|mod\().*(\* (math|np)\.pi\)|360(\.0)?\)?) - ((math|np)\.pi|180)")


@pytest.mark.parametrize(
    ("angle", "within"), [(0.0, 0.0), (190.0, -170.0), (-190.0, 170.0), (725.0, 5.0), (-180, -180)]
)
def test_whole_turns_are_taken_off(angle: float, within: float) -> None:
    assert wrapped_deg(angle) == within
    assert wrapped(math.radians(angle)) == pytest.approx(math.radians(within))
    assert wrapped_deg(np.array([[angle]])).tolist() == [[within]]


def test_angles_are_wrapped_in_one_module() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in ("bench", "flows", "tasks", "tsr")
        for path in (ROOT / package).rglob("*.py")
        if BY_HAND.search(path.read_text())
    }
    assert found == {"tasks/geometry/angles.py"}
