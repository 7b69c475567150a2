"""Sizes after reduction."""

import numpy as np

from tasks.imaging.resizing import bounded, bounded_size


def test_the_longest_side_is_bounded() -> None:
    assert bounded_size(1920, 1080, 960) == (960, 540)
    assert bounded_size(1080, 1920, 960) == (540, 960)
    assert bounded_size(640, 480, 960) == (640, 480)
    assert bounded_size(10_000, 3, 100) == (100, 1)


def test_reduction_averages_and_small_images_stay() -> None:
    image = np.tile(np.array([[0, 100], [100, 200]], np.uint8), (8, 8))
    reduced = bounded(image, 8)
    assert reduced.shape == (8, 8)
    assert reduced.dtype == np.uint8
    assert (reduced == 100).all()
    assert bounded(image, 16) is image
    assert bounded(np.dstack([image] * 4), 4).shape == (4, 4, 4)
