"""Masks: their largest component, their holes, the distance to their outline."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MaskArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Component:
    """The largest connected component of a mask, neighbours across corners included.

    Args:
        mask: ``(H, W)`` its pixels.
        box: Left, top, width and height in pixels.
        areas: ``(K,)`` pixels of every component of the mask, this one among them.
    """

    mask: MaskArray
    box: tuple[int, int, int, int]
    areas: NDArray[np.int32]

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(self.areas.max())


def foreground(alpha: NDArray[np.uint8]) -> MaskArray:
    """Where an alpha of any shape is at least half, 128 of 255."""
    return alpha >= 128


def largest_component(mask: MaskArray) -> Component | None:
    """The component of the most pixels, the first of equals; None where the mask is empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(mask, np.uint8), connectivity=8
    )
    if count < 2:
        return None
    areas = np.asarray(stats[1:, cv2.CC_STAT_AREA], np.int32)
    label = 1 + int(areas.argmax())
    x, y, width, height = (int(v) for v in stats[label, :4])
    return Component(np.asarray(labels == label), (x, y, width, height), areas)


def largest_filled(mask: MaskArray) -> MaskArray:
    """The component whose outline encloses most, with its holes filled.

    A wheel seen through its openings is thus larger than a blob of more pixels beside it, which
    :func:`largest_component` would prefer.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros(mask.shape, np.uint8)
    if contours:
        cv2.drawContours(out, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return out.astype(bool)


def signed_pixels(mask: MaskArray) -> NDArray[np.float32]:
    """Distance in pixels to a mask's outline, positive inside; a frame's border is no outline."""
    if not mask.any():
        return np.full(mask.shape, -1e4, np.float32)
    m = mask.astype(np.uint8)
    outside = cv2.distanceTransform(1 - m, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inside = (
        cv2.distanceTransform(m, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        if not mask.all()
        else np.full(mask.shape, 1e4, np.float32)
    )
    signed = np.where(mask, inside - 0.5, 0.5 - outside)
    return signed.astype(np.float32)
