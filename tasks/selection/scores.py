"""How sharp and how well exposed a frame is inside its mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.imaging.masks import foreground
from tasks.imaging.resizing import bounded

_MEASURE_PX = 720
"""Sharpness is measured with the tyre's box scaled to this many pixels."""


@dataclass(frozen=True)
class Scores:
    """What is measured on one candidate.

    Args:
        sharpness: Mean squared gradient inside the mask over the grey values' variance there.
        brightness: 95th percentile of the grey values inside the mask, 0..255.
        clipped: Share of the mask's pixels at white.
    """

    sharpness: float
    brightness: float
    clipped: float


def measure(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Scores:
    """Sharpness and exposure inside a mask.

    Args:
        image: ``(H, W, 3)`` BGR.
        alpha: ``(H, W)``.
    """
    ys, xs = np.nonzero(foreground(alpha))
    if len(ys) == 0:
        return Scores(0.0, 0.0, 0.0)
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[box]
    grey = bounded(grey, _MEASURE_PX)
    mask = foreground(bounded(alpha[box], _MEASURE_PX))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    if not inside.any():
        inside = mask
    gx = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    gy = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    values = grey[inside]
    energy = float((gx * gx + gy * gy)[inside].mean())
    return Scores(
        sharpness=energy / (float(values.var()) + 1.0),
        brightness=float(np.percentile(values, 95)),
        clipped=float((values >= 250).mean()),
    )


def relative_sharpness(sharpness: Mapping[int, float], reach: int) -> dict[int, float]:
    """Each candidate's sharpness over the median of its neighbours in time (itself left out)."""
    order = sorted(sharpness)
    relative = {}
    for position, index in enumerate(order):
        near = order[max(0, position - reach) : position]
        near += order[position + 1 : position + 1 + reach]
        median = float(np.median([sharpness[i] for i in near])) if near else sharpness[index]
        relative[index] = sharpness[index] / median if median > 0 else 1.0
    return relative
