"""The angle at which two pictures of a sidewall lie on each other, by what is written on them.

Dirt and light change between films, and so does most of what a picture shows; letters stay.
Features of both pictures that look alike vote for the angle between them: false ones for any angle,
those of letters for the same one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from tasks.comparison.polar import COLUMNS, PolarImage, Turned, elsewhere
from tasks.geometry.angles import wrapped_deg

FloatArray = NDArray[np.float64]

_PAD, _LARGER = 64, 2
"""Columns that are shown twice, for the picture goes round; thin strokes are shown larger."""
_BROAD_PX, _LOCAL_PX = 12.0, 25.0
_FLOOR = 0.01
_CONTRAST = 40.0
_MOST, _CANDIDATES = 3000, 8
_ROWS_PX, _TURN_DEG, _LARGEST = 5.0, 25.0, 1.6
"""How far like features may lie apart across, be turned, and be larger or smaller."""
_NEAR, _FARTHEST = 180.0, 300.0
"""Distance of descriptors at which a vote has fallen to a third; farther ones have none."""
_SMOOTH = 15
_ALONE = 2.0
"""A feature is for one of two angles by so much as its votes exceed so many times the other's."""


def turn_by_letters(new: PolarImage, other: PolarImage) -> Turned | None:
    """The angle for which most like features vote; None where there are no features.

    Words that are repeated round the tyre vote for several angles. What they have in common says
    nothing, so that two angles are compared by the votes that are for one of them alone: those of
    a number that is written once, say.

    Args:
        new: The one picture.
        other: The other one, of the same radii.

    Returns:
        The angle; its votes stand for the correlation. The runner-up's are to them as the votes for
        it alone are to those for the best angle alone.
    """
    first, second = _features(new), _features(other)
    if first is None or second is None:
        return None
    votes = np.zeros((len(first[1]), COLUMNS), np.float32)
    for candidates in cv2.BFMatcher().knnMatch(first[1], second[1], k=_CANDIDATES):
        for match in candidates:
            here, there = first[0][match.queryIdx], second[0][match.trainIdx]
            if match.distance <= _FARTHEST and _is_alike(here, there):
                turn = int((there[0] - here[0]) % COLUMNS)
                votes[match.queryIdx, turn] += np.exp(-((match.distance / _NEAR) ** 2))
    around = convolve1d(votes, np.hanning(_SMOOTH).astype(np.float32), axis=1, mode="wrap")
    total = around.sum(axis=0)
    if not total.any():
        return None
    best = int(total.argmax())
    here = around[:, best : best + 1]
    alone = np.maximum(here - _ALONE * around, 0.0).sum(axis=0)
    against = np.maximum(around - _ALONE * here, 0.0).sum(axis=0)
    rest = float((against / np.maximum(alone, 1e-9))[elsewhere(best)].max())
    return Turned(best, float(total[best]), rest * float(total[best]))


def _is_alike(here: FloatArray, there: FloatArray) -> bool:
    """Whether features lie at about the same radius, upright and large alike."""
    turned = abs(wrapped_deg(here[3] - there[3]))
    larger = max(here[2] / there[2], there[2] / here[2])
    return bool(abs(here[1] - there[1]) <= _ROWS_PX and turned <= _TURN_DEG and larger <= _LARGEST)


def _features(picture: PolarImage) -> tuple[FloatArray, NDArray[np.float32]] | None:
    """Column, row, size and direction ``(N, 4)`` of SIFT features, and their descriptors."""
    grey = _evened(picture)
    wide = np.hstack([grey[:, -_PAD:], grey, grey[:, :_PAD]])
    large = cv2.resize(wide, None, fx=_LARGER, fy=_LARGER, interpolation=cv2.INTER_CUBIC)
    detector = cv2.SIFT.create(nfeatures=_MOST, contrastThreshold=0.02)
    points, descriptors = detector.detectAndCompute(large, None)
    if len(points) < 2:
        return None
    features = [
        (p.pt[0] / _LARGER - _PAD, p.pt[1] / _LARGER, p.size / _LARGER, p.angle) for p in points
    ]
    return np.array(features), np.asarray(descriptors, np.float32)


def _evened(picture: PolarImage) -> NDArray[np.uint8]:
    """The picture without rings, light and dirt, and equally strong everywhere."""
    if not picture.known.any():
        return np.full(picture.known.shape, 128, np.uint8)
    values = picture.brightness.copy()
    values[~picture.known] = np.median(values[picture.known])
    values -= np.median(values, axis=1, keepdims=True)
    values -= cv2.GaussianBlur(values, (0, 0), _BROAD_PX)
    spread = np.sqrt(cv2.GaussianBlur(values * values, (0, 0), _LOCAL_PX)) + _FLOOR
    return np.clip(128 + _CONTRAST * values / spread, 0, 255).astype(np.uint8)
