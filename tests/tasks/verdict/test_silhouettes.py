"""Silhouettes: areas and directions that are known by construction."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.imaging.masks import MaskArray
from tasks.verdict.silhouettes import clock_position, compare_silhouette


def disc(radius: int = 60) -> MaskArray:
    image = np.zeros((240, 320), np.uint8)
    cv2.circle(image, (160, 120), radius, 1, -1)
    return image.astype(bool)


def test_the_same_outline_agrees() -> None:
    fit = compare_silhouette(disc(), disc())
    assert (fit.iou, fit.beyond, fit.missing) == (1.0, 0.0, 0.0)
    assert clock_position([fit]) is None


def test_a_mask_that_lacks_a_part() -> None:
    mask = disc()
    mask[:, 160:] = False
    fit = compare_silhouette(disc(), mask)
    assert fit.beyond == pytest.approx(1.0, abs=0.03)
    assert fit.missing == 0.0


@pytest.mark.parametrize(("at", "hour"), [((150, 180), 6), ((220, 115), 3), ((150, 40), 12)])
def test_something_beside_the_tyre_is_found_on_the_clock(at: tuple[int, int], hour: int) -> None:
    mask = disc()
    x, y = at
    mask[y : y + 20, x : x + 20] = True
    fit = compare_silhouette(disc(), mask)
    assert 0.02 < fit.missing < 0.05
    assert fit.beyond == 0.0
    assert clock_position([fit, fit]) == hour


def test_ragged_edges_all_around_have_no_direction() -> None:
    fit = compare_silhouette(disc(60), disc(64))
    assert fit.missing > 0.1
    assert clock_position([fit]) is None
