"""How sharp and how well exposed a frame is inside its mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.imaging.masks import MaskArray, foreground
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
    if not foreground(alpha).any():
        return Scores(0.0, 0.0, 0.0)
    grey, inside = _tyre(image, alpha)
    values = grey[inside]
    return Scores(
        sharpness=_gradient_energy(grey, inside) / (float(values.var()) + 1.0),
        brightness=float(np.percentile(values, 95)),
        clipped=float((values >= 250).mean()),
    )


def edge_sharpness(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> float:
    """How thin the edges inside a mask are, whatever is seen there and however it is lit.

    It is the gradient energy of the image smoothed by one pixel over that smoothed by two
    (standard deviations of Gaussians): 2 for edges as thin as a pixel, sqrt((4 + s²) / (1 + s²))
    for edges that are s pixels wide, towards 1 for a blurred image. Blurring once more to tell
    blur: Crété et al., The blur effect: perception and estimation with a new no-reference
    perceptual blur metric, SPIE 6492, 2007.

    Args:
        image: ``(H, W, 3)`` BGR.
        alpha: ``(H, W)``.
    """
    if not foreground(alpha).any():
        return 0.0
    grey, inside = _tyre(image, alpha)
    fine, coarse = (
        _gradient_energy(np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma)), inside)
        for sigma in (1.0, 2.0)
    )
    return fine / (coarse + 1e-6)


def _tyre(
    image: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], MaskArray]:
    """Grey values ``(H, W)`` of the tyre's box at a bounded size, and what of it is looked at."""
    ys, xs = np.nonzero(foreground(alpha))
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    grey = bounded(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[box], _MEASURE_PX)
    mask = foreground(bounded(alpha[box], _MEASURE_PX))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return grey.astype(np.float32), inside if inside.any() else mask


def _gradient_energy(grey: NDArray[np.float32], inside: MaskArray) -> float:
    gx, gy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return float((gx * gx + gy * gy)[inside].mean())


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
