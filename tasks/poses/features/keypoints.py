"""Key points of an image with their descriptors, and which of two images correspond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IndexArray = NDArray[np.int64]

MOST = 8192
"""Key points kept of an image, the strongest first; masks and limits choose among them."""


@dataclass(frozen=True)
class KeyPoints:
    """Key points of one image, the strongest first.

    Args:
        points: ``(N, 2)`` pixels of the image.
        strength: ``(N,)`` how much of a key point it is, in the detector's own unit.
        descriptors: ``(N, D)`` of length 1.
    """

    points: FloatArray
    strength: Float32Array
    descriptors: Float32Array

    def __len__(self) -> int:
        return len(self.points)

    def within(self, mask: NDArray[np.uint8]) -> KeyPoints:
        """Those where a mask ``(H, W)`` of the image's size is set."""
        column, row = np.floor(self.points).astype(np.int64).T
        height, width = mask.shape
        return self._of(mask[row.clip(0, height - 1), column.clip(0, width - 1)] > 0)

    def stronger_than(self, strength: float) -> KeyPoints:
        """Those of at least a strength."""
        return self._of(self.strength >= strength)

    def best(self, count: int) -> KeyPoints:
        """The ``count`` strongest."""
        return self._of(slice(count))

    def _of(self, chosen: NDArray[np.bool_] | slice) -> KeyPoints:
        return KeyPoints(self.points[chosen], self.strength[chosen], self.descriptors[chosen])


def match(
    a: Float32Array, b: Float32Array, *, max_angle: float = np.pi, max_ratio: float = 1.0
) -> IndexArray:
    """Mutual nearest neighbours of descriptors.

    Args:
        a: ``(N, D)`` of length 1.
        b: ``(M, D)`` of length 1.
        max_angle: Largest angle between the two, radians.
        max_ratio: Largest ratio of this angle to that of the second nearest in ``b``.

    Returns:
        ``(K, 2)`` indices into ``a`` and ``b``, in the order of ``a``.
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), np.int64)
    likeness = a @ b.T
    nearest = likeness.argmax(1)
    back = np.ascontiguousarray(likeness.T).argmax(1)  # twice as fast as argmax(0)
    rows = np.arange(len(a))
    angle = np.arccos(likeness[rows, nearest].clip(-1.0, 1.0))
    good = (back[nearest] == rows) & (angle <= max_angle)
    if max_ratio < 1.0 and len(b) > 1:
        likeness[rows, nearest] = -1.0
        second = np.arccos(likeness.max(1).clip(-1.0, 1.0))
        good &= angle <= max_ratio * second
    return np.stack([rows[good], nearest[good]], axis=1)
