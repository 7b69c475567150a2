"""Where points are seen, and sums over those of a frame or of a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Observations:
    """Where points of the body are seen.

    Args:
        frame: ``(K,)`` position of the frame in the sequence.
        point: ``(K,)`` number of the point.
        pixel: ``(K, 2)`` pixels.
    """

    frame: IntArray
    point: IntArray
    pixel: FloatArray

    def chosen(self, keep: NDArray[np.bool_]) -> Observations:
        """Those where ``keep`` ``(K,)`` is true."""
        return Observations(self.frame[keep], self.point[keep], self.pixel[keep])

    def renumbered(self) -> tuple[IntArray, Observations]:
        """The numbers of the points that are seen, and the same with points counted in these."""
        numbers, point = np.unique(self.point, return_inverse=True)
        return numbers, Observations(self.frame, point.reshape(-1), self.pixel)

    def of_points_seen(self, least: int) -> Observations:
        """Those of points that at least so many frames see."""
        return self.chosen(np.bincount(self.point)[self.point] >= least)

    def of_longest_tracks(self, each: int) -> Observations:
        """Those of the points that most frames see, until every frame has ``each`` or all of its.

        Args:
            each: Observations of a frame that are enough.
        """
        order = np.argsort(self.point, kind="stable")
        points, first = np.unique(self.point[order], return_index=True)
        tracks = np.split(order, first[1:])
        had = np.zeros(int(self.frame.max(initial=-1)) + 1, np.int64)
        kept = np.zeros(len(self.frame), dtype=bool)
        for k in sorted(range(len(points)), key=lambda k: -len(tracks[k])):
            frames = self.frame[tracks[k]]
            if had[frames].min() < each:
                had[frames] += 1
                kept[tracks[k]] = True
        return self.chosen(kept)


def adder(index: IntArray, count: int) -> csr_matrix:
    """The matrix ``(count, K)`` that adds up rows of one index."""
    return csr_matrix((np.ones(len(index)), (index, np.arange(len(index)))), (count, len(index)))


def sums(of: csr_matrix, values: FloatArray) -> FloatArray:
    """Sums ``(count, ...)`` of values ``(K, ...)``.

    Args:
        of: As :func:`adder` gives it.
        values: What is added up.
    """
    flat = of @ values.reshape(len(values), -1)
    return np.asarray(flat).reshape(of.shape[0], *values.shape[1:])
