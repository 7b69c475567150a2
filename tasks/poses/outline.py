"""Masks as outlines: what a solid of revolution can be compared with.

A tyre's convex profile projects to the convex hull of its circles. Two descriptions of a mask
serve: the support function of its hull (for each direction, how far the mask reaches), and points
of its contour, each of which may belong to the tyre or to what else the mask holds. Holes, such as
a rim's openings, belong to neither.
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
from tasks.imaging.masks import foreground, largest_component, largest_filled

FloatArray = NDArray[np.float64]

NUM_DIRECTIONS = 96
ANGLES: FloatArray = np.linspace(0.0, 2 * np.pi, NUM_DIRECTIONS, endpoint=False)
DIRECTIONS: FloatArray = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
"""``(D, 2)`` unit directions in the image in which outlines are measured."""

NUM_POINTS = 96
"""Points of a contour, evenly along it."""

_NORMAL_REACH = 0.012
"""Shares of the contour's length to either side over which its normals are measured."""

BORDER_PX = 2.0
"""An outline this close to the image's edge is taken as cut off there."""


@dataclass(frozen=True)
class Outline:
    """The convex hull of a mask, and points of its contour.

    Args:
        hull: ``(M, 2)`` float64 pixels (pixel centres at half-integers).
        support: ``(D,)`` largest ``direction · point`` over the mask, in pixels.
        valid: ``(D,)`` bool, false where the image's edge cuts the mask off.
        width, height: Size of the image in pixels.
        contour: ``(P, 2)`` pixels, evenly along the outer contour.
        normals: ``(P, 2)`` unit vectors that point out of the mask there.
        inscribed: Column and row of the centre, and radius, of the largest circle inside, pixels.
    """

    hull: FloatArray
    support: FloatArray
    valid: NDArray[np.bool_]
    width: int
    height: int
    contour: FloatArray
    normals: FloatArray
    inscribed: tuple[float, float, float]

    @property
    def uncut(self) -> NDArray[np.bool_]:
        """``(P,)`` contour points that are the object's own, not where the image ends."""
        return inside_image(self.contour, self.width, self.height)

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
    valid = inside_image(hull[along.argmax(axis=1)], width, height)
    sampled, normals = _sampled(points)
    return Outline(
        hull,
        along.max(axis=1),
        valid,
        width,
        height,
        sampled,
        normals,
        _inscribed_circle(solid & foreground(alpha)),
    )


def inside_image(points: FloatArray, width: int, height: int) -> NDArray[np.bool_]:
    """``(N,)`` whether points ``(N, 2)`` lie well inside an image."""
    return np.asarray(
        ((points > BORDER_PX) & (points < np.array([width, height]) - BORDER_PX)).all(axis=1)
    )


def _sampled(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Evenly spaced points of a closed contour ``(M, 2)``, and their outward normals."""
    closed = points if np.array_equal(points[0], points[-1]) else np.vstack([points, points[:1]])
    steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    length = float(along[-1])
    at = (np.arange(NUM_POINTS) + 0.5) / NUM_POINTS * length

    def point_at(position: FloatArray) -> FloatArray:
        return np.stack([np.interp(position % length, along, closed[:, k]) for k in (0, 1)], axis=1)

    reach = _NORMAL_REACH * length
    tangent = point_at(at + reach) - point_at(at - reach)
    normals = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    x, y = closed.T
    if float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) < 0:  # it runs the other way round
        normals = -normals
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return point_at(at), normals


def _inscribed_circle(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Centre (column, row) and radius in pixels of the largest circle inside a mask ``(H, W)``.

    Its holes are filled before. What stands beside or below a disc hardly moves it.
    """
    framed = np.pad(largest_filled(mask).astype(np.uint8), 1)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) - 0.5, float(row) - 0.5, float(depth.max())


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
