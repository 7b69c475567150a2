"""Exposures of frames, equalised by one gain each.

Source: Brown and Lowe, Automatic panoramic image stitching using invariant features, IJCV 74, 2007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frame_gains(
    samples: NDArray[np.uint8] | NDArray[np.float32],
    weights: NDArray[np.float32],
    count: int = 4000,
) -> NDArray[np.float32]:
    """One factor per frame, 0.7 to 1.4, that brings its samples to the median of all frames.

    Args:
        samples: ``(N, V, 3)`` colours of points in the frames, 0 to 255.
        weights: ``(N, V)``, 0 where a frame does not show the point.
        count: Number of points that are looked at.

    Returns:
        ``(N,)``.
    """
    n = samples.shape[1]
    pick = np.linspace(0, n - 1, min(n, count)).astype(np.int64)
    seen = weights[:, pick] > 0
    luma = np.log(samples[:, pick].mean(axis=2) + 4.0)
    gains = np.zeros(len(samples))
    for _ in range(3):
        compensated = np.where(seen, luma + gains[:, None], np.nan)
        shared = seen.sum(axis=0) >= 2
        if not shared.any():
            break
        middle = np.nanmedian(compensated[:, shared], axis=0)
        for i in range(len(samples)):
            own = seen[i, shared]
            if own.sum() >= 20:
                gains[i] -= float(np.median((compensated[i, shared] - middle)[own]))
    return np.clip(np.exp(gains), 0.7, 1.4).astype(np.float32)
