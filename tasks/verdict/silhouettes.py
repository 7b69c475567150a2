"""The mesh against masks that the merge did not use, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.imaging.masks import MaskArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SilhouetteFit:
    """How one frame's mask and the mesh's silhouette agree; openings of both count as filled.

    Args:
        iou: Intersection over union, 0..1.
        beyond: Area of the mesh outside the mask, over the mask's.
        missing: Area of the mask outside the mesh, over the mask's.
        towards: ``(2,)`` from the silhouette's centre to that of the missing area, image x to the
            right and y down, in units of the silhouette's radius; zero where nothing is missing.
    """

    iou: float
    beyond: float
    missing: float
    towards: FloatArray


def compare_silhouette(hits: MaskArray, mask: MaskArray) -> SilhouetteFit:
    """Compare a rendered silhouette with the mask of the same frame.

    Args:
        hits: ``(H, W)`` pixels that show the mesh, openings filled.
        mask: ``(H, W)`` the frame's foreground, openings filled.
    """
    area = max(int(mask.sum()), 1)
    missing = mask & ~hits
    towards = np.zeros(2)
    if missing.any() and hits.any():
        radius = np.sqrt(hits.sum() / np.pi)
        towards = (_centre(missing) - _centre(hits)) / radius
    return SilhouetteFit(
        iou=float((hits & mask).sum() / max(int((hits | mask).sum()), 1)),
        beyond=float((hits & ~mask).sum() / area),
        missing=float(missing.sum() / area),
        towards=towards,
    )


def _centre(region: MaskArray) -> FloatArray:
    rows, columns = np.nonzero(region)
    return np.array([columns.mean(), rows.mean()])


def clock_position(fits: Sequence[SilhouetteFit]) -> int | None:
    """Where in the image masks hold what the mesh does not, as hours on a clock, 12 at the top.

    Returns:
        1 to 12, or None where the frames do not agree on a direction.
    """
    weights = np.array([f.missing for f in fits])
    mean = np.array([f.towards for f in fits]).T @ weights / max(float(weights.sum()), 1e-12)
    if float(np.hypot(*mean)) < 0.25:
        return None
    return round(np.degrees(np.arctan2(mean[0], -mean[1])) / 30.0) % 12 or 12
