"""Components, holes and distances of small masks that can be counted by hand."""

import numpy as np
import pytest

from tasks.imaging.masks import foreground, largest_component, largest_filled, signed_pixels


def test_the_largest_component_is_that_of_the_most_pixels() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:5, 3:9] = True
    mask[5, 9] = True  # joined across a corner
    mask[10:12, 20:24] = True
    found = largest_component(mask)
    assert found is not None
    assert found.box == (3, 2, 7, 4)
    assert found.area == found.mask.sum() == 19
    assert sorted(found.areas) == [8, 19]
    assert not found.mask[10:, :].any()


def test_foreground_is_what_is_half_opaque() -> None:
    assert foreground(np.array([0, 127, 128, 255], np.uint8)).tolist() == [False, False, True, True]


def test_an_empty_mask_has_no_component() -> None:
    assert largest_component(np.zeros((4, 4), bool)) is None
    assert not largest_filled(np.zeros((4, 4), bool)).any()


def test_masks_are_filled_and_reduced_to_one_piece() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    mask[25:35, 25:35] = False
    mask[0:3, 0:3] = True
    filled = largest_filled(mask)
    assert filled[30, 30]
    assert not filled[1, 1]
    assert filled.sum() == 1600


def test_a_thin_ring_counts_for_more_than_a_blob_of_more_pixels() -> None:
    mask = np.zeros((60, 90), bool)
    mask[5:55, 5:55] = True
    mask[6:54, 6:54] = False
    mask[10:30, 65:85] = True
    assert largest_filled(mask)[30, 30]
    component = largest_component(mask)
    assert component is not None
    assert component.mask[20, 75]


def test_distances_change_sign_between_pixels() -> None:
    mask = np.zeros((9, 12), bool)
    mask[:, 4:] = True
    signed = signed_pixels(mask)
    assert signed[4] == pytest.approx(np.arange(12) - 3.5)
    assert (signed_pixels(np.ones((3, 3), bool)) > 1000).all()
    assert (signed_pixels(np.zeros((3, 3), bool)) < -1000).all()
