"""Pictures over radius and angle go round: nothing ends where their columns begin."""

from __future__ import annotations

import numpy as np

from tasks.comparison.polar import polar_image
from tests.tasks.comparison.made import scan


def test_what_was_measured_all_round_is_known_all_round() -> None:
    """The columns at the seam were unknown, and with them whatever lay within 5° of it."""
    part = scan().parts["outer-sidewall"]
    radii = np.arange(part.section[:, 0].max() - 0.004, part.section[:, 0].min() + 0.004, -0.001)
    assert polar_image(part, 1.0, radii).known.all()
