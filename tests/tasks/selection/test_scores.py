"""How thin edges are, whatever they are edges of."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.selection.scores import edge_sharpness, measure

WHOLE = np.full((200, 300), 255, np.uint8)


def stripes(blur_px: float, *, contrast: float = 60.0, shading: float = 0.0) -> NDArray[np.uint8]:
    """Upright stripes with edges of this width, on a ground that may grow brighter sideways."""
    columns = np.arange(300)
    grey = 90.0 + contrast * ((columns // 50) % 2)
    grey = cv2.GaussianBlur(grey[None].repeat(200, 0), (0, 0), blur_px) if blur_px else grey[None]
    grey = grey + shading * columns / 300
    image = np.broadcast_to(grey[..., None], (200, 300, 3))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("blur_px", [0.8, 1.5, 3.0, 6.0])
def test_it_follows_from_the_width_of_the_edges(blur_px: float) -> None:
    expected = math.sqrt((4 + blur_px**2) / (1 + blur_px**2))
    assert edge_sharpness(stripes(blur_px, contrast=140.0), WHOLE) == pytest.approx(
        expected, rel=0.05
    )


def test_neither_contrast_nor_shading_matters() -> None:
    """A highlight across a dark tyre is contrast without edges."""
    plain = edge_sharpness(stripes(0.8), WHOLE)
    assert edge_sharpness(stripes(0.8, contrast=30.0), WHOLE) == pytest.approx(plain, rel=0.04)
    shaded = stripes(0.8, contrast=30.0, shading=130.0)
    assert edge_sharpness(shaded, WHOLE) == pytest.approx(plain, rel=0.1)
    assert measure(shaded, WHOLE).sharpness < 0.5 * measure(stripes(0.8), WHOLE).sharpness


def test_nothing_is_not_sharp() -> None:
    assert edge_sharpness(stripes(0.0), np.zeros_like(WHOLE)) == 0.0
    assert edge_sharpness(np.zeros((200, 300, 3), np.uint8), WHOLE) == 0.0
