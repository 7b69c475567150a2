"""Masks judged by the solid that was fitted to all of them, and corrected.

What a mask holds beyond the solid's outline (a stand, a post, a neighbour) goes. What it lacks
inside that must be rubber is filled: all but the disc of the nearer face, in which a rim may have
openings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.stages import RectifyConfig
from tasks.geometry.camera import Camera
from tasks.geometry.sphere import tangents
from tasks.imaging.masks import foreground
from tasks.poses.solid import Solid

FloatArray = NDArray[np.float64]
Alpha = NDArray[np.uint8]

RIM_SHARE = 0.82
"""Radius of the largest rims, of the tyre's: what lies further out on a face is rubber."""

_SUBROWS = 4
"""Lines in which a row of pixels is sampled where a polygon covers a part of it."""


@dataclass(frozen=True)
class MaskErrors:
    """What is wrong with a mask, as the solid sees it.

    Args:
        excess: What it holds besides the tyre, of the tyre's area in the image.
        excess_side: Where of the tyre's centre that lies: "below", "above", "left" or "right".
        lack: What it lacks of the tyre's rubber, of the tyre's area in the image.
        lack_side: Where of the tyre's centre that lies, likewise.
    """

    excess: float
    excess_side: str
    lack: float
    lack_side: str

    def refusal(self, config: RectifyConfig) -> str:
        """Why the frame is of no use even with its mask corrected; empty if it is."""
        if self.lack > config.max_lack:
            return f"its mask lacks {self.lack:.0%} of the tyre, {_side_in_words(self.lack_side)}"
        return ""


def correct_mask(
    alpha: Alpha, outline: FloatArray, openings: FloatArray, config: RectifyConfig
) -> tuple[Alpha, MaskErrors]:
    """Cut a mask to the solid and fill what must be rubber.

    Args:
        alpha: ``(H, W)`` uint8.
        outline: ``(K, 2)`` convex outline of the solid, pixels.
        openings: ``(L, 2)`` convex outline in which a rim may have openings, pixels.
        config: Margins.

    Returns:
        The corrected mask, the very array that was given where little was wrong, and its faults.
    """
    solid = polygon_coverage(outline, alpha.shape)
    inside = foreground(solid)
    area = max(int(inside.sum()), 1)
    margin = max(1.5, config.margin * float(np.ptp(outline, axis=0).max()))
    covered = foreground(alpha)
    centre = outline.mean(axis=0)

    far = covered & ~_grown(inside, margin)
    cut = _grown(far, 2.0 * margin) & ~_shrunk(inside, 1.0)
    excess = int((covered & _grown(far, 2.0 * margin) & ~inside).sum()) / area

    rubber = inside & ~foreground(polygon_coverage(openings, alpha.shape))
    gone = _shrunk(rubber, margin) & ~covered
    fill = _grown(gone, 2.0 * margin) & rubber
    lack = int((fill & ~covered).sum()) / area

    corrected = alpha
    if excess > config.least_share:
        corrected = np.where(cut, np.minimum(corrected, solid), corrected)
    if lack > config.least_share:
        corrected = np.where(fill, np.maximum(corrected, solid), corrected)
    return corrected, MaskErrors(excess, _side(far, centre), lack, _side(gone, centre))


def opening_outline(solid: Solid, camera: Camera) -> FloatArray:
    """``(L, 2)`` outline, in pixels, of the part of a tyre's image where a rim may have openings.

    Openings are seen through the nearer face's rim, wherever in its depth they lie.
    """
    toward = camera.centre - solid.centre
    face = np.sign(toward @ solid.axle) * solid.half_width * solid.axle
    angle = np.linspace(0.0, 2 * np.pi, 96, endpoint=False)[:, None]
    first, second = tangents(solid.axle)
    ring = np.cos(angle) * first + np.sin(angle) * second
    return camera.project(solid.centre + face + RIM_SHARE * solid.radius * ring)[:, :2]


def polygon_coverage(polygon: FloatArray, shape: tuple[int, ...]) -> Alpha:
    """How much of each pixel a convex polygon ``(K, 2)`` covers, ``(H, W)`` of 255.

    OpenCV's filling counts every pixel that the edge touches, half a pixel too many all around.
    """
    height, width = shape[:2]
    corners = cv2.convexHull(polygon.astype(np.float32))[:, 0].astype(np.float64)
    corners = np.roll(corners, -int(corners[:, 1].argmin()), axis=0)
    lowest = int(corners[:, 1].argmax())
    one, other = corners[: lowest + 1], np.vstack([corners[lowest:], corners[:1]])[::-1]
    # only the pixels about the polygon: the others are empty
    size = (width, height)
    x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)), 0, size).astype(int)
    y = y0 + (np.arange((y1 - y0) * _SUBROWS) + 0.5) / _SUBROWS
    ends = np.stack([np.interp(y, c[:, 1], c[:, 0]) for c in (one, other)])  # (2, H * _SUBROWS)
    left, right = ends.min(axis=0)[:, None], ends.max(axis=0)[:, None]
    beside = (y < corners[0, 1]) | (y > corners[lowest, 1])
    x = np.arange(x0, x1)
    covered = np.clip(np.minimum(right, x + 1) - np.maximum(left, x), 0.0, 1.0)
    covered[beside] = 0.0
    share = covered.reshape(y1 - y0, _SUBROWS, x1 - x0).mean(axis=1)
    out = np.zeros((height, width), np.uint8)
    out[y0:y1, x0:x1] = (255.0 * share).round()
    return out


def warnings_of(errors: Collection[MaskErrors], config: RectifyConfig) -> list[str]:
    """Which way masks are wrong, and where, in words."""
    more = [f.excess_side for f in errors if f.excess > config.notable_share]
    less = [f.lack_side for f in errors if f.lack > config.notable_share]
    warnings = []
    if more:
        side = _most(more)
        likely = "a stand or a shadow" if side == "below" else "a post or a neighbour"
        warnings.append(
            f"in {len(more)} of {len(errors)} frames more than the tyre was taken for it, mostly "
            f"{_side_in_words(side)} (probably {likely}); it was cut off"
        )
    if less:
        warnings.append(
            f"in {len(less)} of {len(errors)} frames a part of the tyre was missed, mostly "
            f"{_side_in_words(_most(less))}; it was filled in"
        )
    return warnings


def _most(sides: Sequence[str]) -> str:
    """The side named most often, the first of equals."""
    return Counter(sides).most_common(1)[0][0]


def _side_in_words(side: str) -> str:
    return f"{side} it" if side in ("below", "above") else f"on its {side}"


def _side(where: NDArray[np.bool_], centre: FloatArray) -> str:
    """On which side of a centre the pixels of a mask lie on average; "" where there are none."""
    rows, columns = np.nonzero(where)
    if len(rows) == 0:
        return ""
    right, down = columns.mean() + 0.5 - centre[0], rows.mean() + 0.5 - centre[1]
    if abs(down) >= abs(right):
        return "below" if down > 0 else "above"
    return "right" if right > 0 else "left"


def _grown(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    """The mask and all that lies nearer to it than so many pixels."""
    if not mask.any():
        return mask
    apart = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(apart < pixels)


def _shrunk(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    """What of the mask lies further from its outside than so many pixels."""
    return ~_grown(~mask, pixels)
