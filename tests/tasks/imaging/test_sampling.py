"""Bilinear samples of ramps, whose values between pixels are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.imaging.sampling import sample_bilinear, sample_repeating


@pytest.fixture
def ramp() -> NDArray[np.float32]:
    y, x = np.mgrid[0:20, 0:30].astype(np.float32)
    return x + 100 * y


def test_samples_between_pixels(ramp: NDArray[np.float32]) -> None:
    pixels = np.array([[0.5, 0.5], [10.75, 5.0], [29.5, 19.5]])
    found = sample_bilinear(ramp, pixels, outside=-1.0)
    assert found == pytest.approx([0.0, 10.25 + 450.0, 29.0 + 1900.0], abs=1e-3)


def test_beyond_the_frame_there_is_one_value(ramp: NDArray[np.float32]) -> None:
    pixels = np.array([[-3.0, 5.0], [1e6, 5.0], [5.0, -1e9], [np.inf, 5.0]])
    assert sample_bilinear(ramp, pixels, outside=7.0) == pytest.approx([7.0] * 4)
    assert not np.isfinite(sample_bilinear(ramp, pixels, outside=np.inf)).any()
    coloured = np.stack([ramp, ramp + 1, ramp + 2], axis=2)
    found = sample_bilinear(coloured, np.array([[3.5, 0.5], [-9.0, 0.0]]), outside=7.0)
    np.testing.assert_allclose(found, [[3, 4, 5], [7, 7, 7]])


def test_more_positions_than_one_call_takes(ramp: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.uniform([0.5, 0.5], [29.5, 19.5], (4096 * 3 + 17, 2))
    expected = pixels[:, 0] - 0.5 + 100 * (pixels[:, 1] - 0.5)
    found = sample_bilinear(ramp, pixels, outside=0.0)
    assert np.abs(found - expected).max() < 101 / 32  # OpenCV samples at 32nds of a pixel
    np.testing.assert_array_equal(
        found[5000:5005], sample_bilinear(ramp, pixels[5000:5005], outside=0.0)
    )


def test_a_repeating_image_goes_on_beyond_its_edge(ramp: NDArray[np.float32]) -> None:
    image = ramp[..., None] * np.array([1, 2], np.float32)
    x, y = np.array([3.0, 33.0, -27.0, 29.5], np.float32), np.array([4, 24, -16, 0], np.float32)
    found = sample_repeating(image, x, y)
    assert found[:, 0] == pytest.approx([403, 403, 403, 14.5])
    np.testing.assert_allclose(found[:, 1], 2 * found[:, 0])
    assert sample_repeating(image, x[:0], y[:0]).shape == (0, 2)
