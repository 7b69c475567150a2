"""The curve of sRGB at values printed in the standard and elsewhere."""

import numpy as np
import pytest

from tasks.imaging.srgb import linear_from_srgb, srgb_from_linear


def test_known_values() -> None:
    assert linear_from_srgb(np.array([0.0, 0.04045, 0.5, 1.0])) == pytest.approx(
        [0.0, 0.0031308, 0.2140411, 1.0], abs=1e-7
    )
    assert srgb_from_linear(np.array([0.0, 0.18, 0.5, 1.0])) == pytest.approx(
        [0.0, 0.4613561, 0.7353570, 1.0], abs=1e-7
    )


def test_every_byte_survives_a_round_trip() -> None:
    encoded = np.arange(256) / 255
    assert srgb_from_linear(linear_from_srgb(encoded)) == pytest.approx(encoded, abs=1e-6)
