"""Masks as convex outlines: what a solid of revolution can be compared with.

A tyre's convex profile projects to the convex hull of its circles. The hull of a mask ignores
whether the holes of a rim were filled, and the support function of the hull (for each direction,
how far the mask reaches) is cheap to compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from tasks.geometry.camera import Camera
from tasks.geometry.lens import Lens
from tasks.imaging.images import read_mask
from tasks.imaging.masks import foreground, largest_component

FloatArray = NDArray[np.float64]

NUM_DIRECTIONS = 96
_ANGLES = np.arange(NUM_DIRECTIONS) * (2 * np.pi / NUM_DIRECTIONS)
DIRECTIONS: FloatArray = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
"""``(D, 2)`` unit directions in the image in which outlines are measured."""

BORDER_PX = 2.0
"""An outline this close to the image's edge is taken as cut off there."""


@dataclass(frozen=True)
class Outline:
    """The convex hull of a mask.

    Args:
        hull: ``(M, 2)`` float64 pixels (pixel centres at half-integers).
        support: ``(D,)`` largest ``direction · point`` over the mask, in pixels.
        valid: ``(D,)`` bool, false where the image's edge cuts the mask off.
        width, height: Size of the image in pixels.
    """

    hull: FloatArray
    support: FloatArray
    valid: NDArray[np.bool_]
    width: int
    height: int

    @property
    def widths(self) -> FloatArray:
        """``(D / 2,)`` extent of the hull in each direction of a half circle, in pixels."""
        half = NUM_DIRECTIONS // 2
        return np.asarray(self.support[:half] + self.support[half:])

    @property
    def size(self) -> float:
        """Largest extent in pixels."""
        return float(self.widths.max())

    @property
    def centre(self) -> FloatArray:
        """``(2,)`` centre of the bounding box, in pixels."""
        q = NUM_DIRECTIONS // 4
        return (
            np.array([self.support[0] - self.support[2 * q], self.support[q] - self.support[3 * q]])
            / 2
        )


def outline_of_mask(alpha: NDArray[np.uint8]) -> Outline | None:
    """The outline of the largest object in a mask ``(H, W)``, or None where there is none."""
    height, width = alpha.shape
    solid = _largest_object(alpha)
    if solid is None:
        return None
    soft = np.where(solid, alpha, 0).astype(np.float32)
    # The hull of a staircase lies a third of a pixel outside the edge that it stands for.
    blurred = cv2.GaussianBlur(soft, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    framed = np.pad(np.pad(blurred, 1, mode="edge"), 1)  # a cut-off mask ends outside the image
    contours: list[FloatArray] = find_contours(framed, 127.5)  # type: ignore[no-untyped-call]
    if not contours:
        return None
    contour = max(contours, key=len)
    points = contour[:, ::-1] - 1.5  # array index of a pixel centre -> half-integer pixels
    hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
    if len(hull) < 6:
        return None
    along = DIRECTIONS @ hull.T  # (D, M)
    far = hull[along.argmax(axis=1)]
    valid = (
        (far[:, 0] > BORDER_PX)
        & (far[:, 1] > BORDER_PX)
        & (far[:, 0] < width - BORDER_PX)
        & (far[:, 1] < height - BORDER_PX)
    )
    return Outline(hull, along.max(axis=1), valid, width, height)


def read_outline(
    path: Path, lens: Lens | None = None, camera: Camera | None = None
) -> Outline | None:
    """The outline of a mask file (8 bit, one channel), or None where it holds no object.

    Args:
        path: The mask.
        lens: If given, its distortion is undone before.
        camera: The pinhole camera behind it.
    """
    alpha = read_mask(path)
    if lens is not None and camera is not None:
        alpha = lens.undistort_image(alpha, camera)
    return outline_of_mask(alpha)


def _largest_object(alpha: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The largest blob above half opacity without whiskers, ``(H, W)``, grown to its soft edge."""
    hard = foreground(alpha).astype(np.uint8)
    _, _, w, h = cv2.boundingRect(hard)
    if w < 8 or h < 8:
        return None
    reach = max(1, round(0.012 * max(w, h)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    framed = np.pad(hard, 2 * reach, mode="edge")
    opened = cv2.morphologyEx(framed, cv2.MORPH_OPEN, disc)
    opened = opened[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    largest = largest_component(np.asarray(opened > 0))
    if largest is None:
        return None
    return np.asarray(cv2.dilate(largest.mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def overlap(a: FloatArray, b: FloatArray, width: int, height: int) -> float:
    """Intersection over union of two convex polygons ``(N, 2)``, inside the image."""
    image = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    area_a, inside_a = cv2.intersectConvexConvex(_convex(a), image)
    area_b, inside_b = cv2.intersectConvexConvex(_convex(b), image)
    if area_a <= 0 or area_b <= 0:
        return 0.0
    both, _ = cv2.intersectConvexConvex(np.asarray(inside_a), np.asarray(inside_b))
    return float(both / (area_a + area_b - both))


def _convex(points: FloatArray) -> NDArray[np.float32]:
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], dtype=np.float32)


def polygon_of_support(support: FloatArray) -> FloatArray:
    """The polygon ``(D, 2)`` whose edges are the tangents ``direction · x = support``."""
    nxt = np.roll(DIRECTIONS, -1, axis=0)
    det = DIRECTIONS[:, 0] * nxt[:, 1] - DIRECTIONS[:, 1] * nxt[:, 0]
    s, sn = support, np.roll(support, -1)
    x = (s * nxt[:, 1] - sn * DIRECTIONS[:, 1]) / det
    y = (sn * DIRECTIONS[:, 0] - s * nxt[:, 0]) / det
    return np.stack([x, y], axis=1)
