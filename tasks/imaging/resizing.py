"""Images reduced to a bounded size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def bounded_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height reduced so that the longest side is at most ``longest`` pixels."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def bounded(image: NDArray[Any], longest: int) -> NDArray[Any]:
    """The image ``(H, W)`` or ``(H, W, C)`` reduced likewise, or itself where it is small enough.

    Args:
        image: Image of a type that OpenCV resamples.
        longest: Bound of the longest side, pixels.
    """
    height, width = image.shape[:2]
    size = bounded_size(width, height, longest)
    if size == (width, height):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
