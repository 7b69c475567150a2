"""The visual hull: what the silhouettes of all posed frames allow.

Source: Laurentini, The visual hull concept for silhouette-based image understanding, IEEE TPAMI 16,
1994.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.core.parallel import in_threads
from tasks.fusion.views import View
from tasks.imaging.sampling import sample_bilinear

Field = NDArray[np.float32]

_POINTS = 1 << 16
"""Points looked at together; a frame's arrays for them stay in the cache."""


def visual_hull_distance(
    points: NDArray[np.float32], views: Sequence[View], *, outliers: int, margin_px: float
) -> Field:
    """How far points lie inside the visual hull of all frames but the worst few.

    A frame says nothing about points outside its image. Holes inside masks were filled beforehand,
    so that only what lies outside an outline is carved away.

    Args:
        points: ``(N, 3)`` float32 in the tyre frame, metres.
        views: Posed frames with masks.
        outliers: Number of frames that may see a point outside their mask and be wrong.
        margin_px: Widening of the masks, pixels.

    Returns:
        ``(N,)`` float32 metres, positive inside; the ``outliers + 1``-th smallest over the frames.
    """

    def distance(part: NDArray[np.float32]) -> Field:
        return _hull_distance(part, views, outliers=outliers, margin_px=margin_px)

    parts = [points[k : k + _POINTS] for k in range(0, max(len(points), 1), _POINTS)]
    return np.concatenate(list(in_threads(distance, parts)))


def _hull_distance(
    points: NDArray[np.float32], views: Sequence[View], *, outliers: int, margin_px: float
) -> Field:
    lowest = [np.full(len(points), np.inf, np.float32) for _ in range(outliers + 1)]
    exact = points.astype(np.float64)
    for view in views:
        projected = view.camera.project(exact)
        signed = sample_bilinear(view.signed, projected[:, :2], outside=np.inf)
        depth = np.maximum(projected[:, 2], 1e-6).astype(np.float32)
        value = (signed + np.float32(margin_px)) * depth / np.float32(view.camera.fx)
        value[~np.isfinite(value) | (projected[:, 2] <= 0)] = np.inf
        for k, low in enumerate(lowest):
            lowest[k] = np.minimum(low, value)
            value = np.maximum(low, value)
    return lowest[-1]


def mean_silhouette_iou(
    hits: Sequence[NDArray[np.bool_]], views: Sequence[View]
) -> tuple[float, float]:
    """Mean and least IoU of rendered silhouettes ``(H, W)`` with the masks of the same views."""
    overlaps = [
        float((h & v.mask).sum() / max(1, (h | v.mask).sum()))
        for h, v in zip(hits, views, strict=True)
    ]
    return float(np.mean(overlaps)), float(np.min(overlaps))
