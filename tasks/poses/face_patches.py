"""Points of a turning face that are followed by what is around them.

Compression leaves of faint words on rubber what no detector finds again, but what still correlates.
A face that is unrolled about its axle and turned back looks the same in all frames: patches of some
frames are looked for near where they should be in the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tasks.poses.fixed_axis import MIN_TRACK
from tasks.poses.observations import Observations

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

PATCH_RINGS: FloatArray = np.linspace(0.22, 1.0, 96)
"""Radii of the rings that patches lie on, in radii of the tyre."""

_ANCHORS = 10
"""Frames, evenly over the film, whose patches are followed."""

_BESIDE = 2
"""Patches are chosen in the mean of so many frames before and after: noise does not turn along."""

_PATCHES = 60
"""Patches of such a frame at most, the most distinct ones."""

_HALF = 8
"""Half a patch's side: rings, and steps of the angle."""

_SEARCHED = (8, 18)
"""A patch is looked for so far from where it should be: rings, and steps of the angle. That is
farther than a model may err, so that what finds something by chance seldom agrees with it."""

_ALIKE = 0.6
"""Least correlation of a patch with what it is found at."""


def follow_patches(
    images: FloatArray, pixels: Sequence[FloatArray], angles: FloatArray, reach: int
) -> Observations:
    """Tracks of patches of the face.

    Args:
        images: ``(N, R, A)`` the face on :data:`PATCH_RINGS`, from
            :func:`tasks.poses.face_images.unrolled`.
        pixels: For each frame ``(R, A, 2)``, its pixels that they show.
        angles: ``(N,)`` how far the face has turned, radians.
        reach: A patch is looked for in so many frames before and after its own.
    """
    count, _, cells = images.shape
    shift = np.rint(angles * cells / (2.0 * np.pi)).astype(np.int64)
    back = [_turned_back(p, s) for p, s in zip(images, shift, strict=True)]
    frames: list[int] = []
    numbers: list[int] = []
    at: list[tuple[float, float]] = []
    number = 0
    for anchor in np.unique(np.linspace(0, count - 1, _ANCHORS).round().astype(int)).tolist():
        beside = back[max(0, anchor - _BESIDE) : anchor + _BESIDE + 1]
        for ring, cell in _distinct(np.mean(beside, axis=0)):
            patch = back[anchor][_window(ring, _HALF), _window(cell, _HALF)]
            seen = {anchor: (float(ring), float(cell))}
            for k in range(max(0, anchor - reach), min(count, anchor + reach + 1)):
                if k != anchor and (found := _found(back[k], patch, ring, cell)) is not None:
                    seen[k] = found
            if len(seen) < MIN_TRACK:
                continue
            frames += seen
            numbers += [number] * len(seen)
            at += [(r, (a - _MARGIN + shift[k]) % cells) for k, (r, a) in seen.items()]
            number += 1
    frame, where = np.array(frames, np.int64), np.array(at, np.float64).reshape(-1, 2)
    pixel = np.empty((len(frame), 2))
    for k in range(count):
        pixel[frame == k] = _pixels(pixels[k], where[frame == k])
    return Observations(frame, np.array(numbers, np.int64), pixel)


_MARGIN = _HALF + _SEARCHED[1]


def _turned_back(image: FloatArray, shift: int) -> Float32Array:
    """The image ``(R, A)`` as if the face had not turned, continued at both ends; less noise."""
    turned = np.pad(np.roll(image, -shift, axis=1), ((0, 0), (_MARGIN, _MARGIN)), "wrap")
    return np.asarray(cv2.GaussianBlur(turned.astype(np.float32), (0, 0), 1.0))


def _window(middle: int, half: int) -> slice:
    return slice(middle - half, middle + half + 1)


def _distinct(image: Float32Array) -> list[tuple[int, int]]:
    """Row and column of the patches that differ most from what is beside them."""
    room = np.zeros(image.shape, np.uint8)
    rows = _HALF + _SEARCHED[0]
    room[rows:-rows, _MARGIN:-_MARGIN] = 255
    corners = cv2.goodFeaturesToTrack(image, _PATCHES, 0.02, _HALF, mask=room, blockSize=_HALF)
    return [] if corners is None else [(round(float(v)), round(float(u))) for u, v in corners[:, 0]]


def _found(
    image: Float32Array, patch: Float32Array, row: int, column: int
) -> tuple[float, float] | None:
    """Row and column at which a patch is found near its position, if it is."""
    rows, columns = _SEARCHED
    searched = image[_window(row, _HALF + rows), _window(column, _HALF + columns)]
    alike = cv2.matchTemplate(searched, patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (u, v) = cv2.minMaxLoc(alike)
    if best < _ALIKE or not (0 < u < 2 * columns and 0 < v < 2 * rows):
        return None
    along, across = alike[v, u - 1 : u + 2], alike[v - 1 : v + 2, u]
    return row - rows + v + _vertex(across.tolist()), column - columns + u + _vertex(along.tolist())


def _vertex(values: Sequence[float]) -> float:
    """Where a parabola through three values has its vertex, from the middle one."""
    before, there, after = values
    return 0.5 * (before - after) / min(before - 2.0 * there + after, -1e-9)


def _pixels(pixels: FloatArray, where: FloatArray) -> FloatArray:
    """Pixels ``(K, 2)`` of rings and angles ``(K, 2)``, in steps."""
    closed = np.concatenate([pixels, pixels[:, :1]], axis=1)
    return np.stack([map_coordinates(closed[..., c], where.T, order=1) for c in range(2)], axis=1)
