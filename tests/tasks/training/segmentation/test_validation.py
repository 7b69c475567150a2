"""Scores of masks with known answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.training.segmentation.validation import boundary_error, openings_kept, overlap


def ring(outer: int, inner: int) -> NDArray[np.bool_]:
    mask = np.zeros((100, 100), np.uint8)
    cv2.circle(mask, (50, 50), outer, 1, -1)
    if inner:
        cv2.circle(mask, (50, 50), inner, 0, -1)
    return mask.astype(bool)


def test_overlap_of_known_masks() -> None:
    assert overlap(ring(40, 0), ring(40, 0)) == 1.0
    assert overlap(ring(20, 0), ring(40, 0)) == pytest.approx(0.25, abs=0.01)
    assert overlap(np.zeros((5, 5), bool), np.zeros((5, 5), bool)) == 1.0


def test_openings_that_are_filled_are_not_kept() -> None:
    assert openings_kept(ring(40, 20), ring(40, 20)) == 1.0
    assert openings_kept(ring(40, 0), ring(40, 20)) == 0.0
    assert openings_kept(ring(40, 14), ring(40, 20)) == pytest.approx(0.49, abs=0.03)
    assert openings_kept(ring(40, 20), ring(40, 0)) is None


def test_boundaries_are_as_far_apart_as_they_are() -> None:
    assert boundary_error(ring(40, 0), ring(40, 0)) == 0.0
    assert boundary_error(ring(37, 0), ring(40, 0)) == pytest.approx(3.0, abs=0.4)
    assert boundary_error(np.zeros((100, 100), bool), ring(40, 0)) is None
