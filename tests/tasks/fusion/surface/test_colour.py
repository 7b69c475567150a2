"""Gains of the frames."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.fusion.surface.colour import frame_gains


def test_gains_even_out_exposures() -> None:
    rng = np.random.default_rng(2)
    base = rng.uniform(60, 160, (500, 1)).repeat(3, axis=1)
    samples = np.stack([base, base * 1.25, base * 0.9]).astype(np.uint8)
    gains = frame_gains(samples, np.ones((3, 500), np.float32))
    assert gains[0] / gains[1] == pytest.approx(1.25, rel=0.03)
    assert gains[0] / gains[2] == pytest.approx(0.9, rel=0.03)
