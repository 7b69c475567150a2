"""Sidewalls as images over radius and angle, and where one lies on another.

Sidewalls keep what is written on them, and their mottle, when the tread wears: they tell how far
one tyre is turned against the other, which of its faces is which, and, by how far their marks lie
from the axle, how large one reconstruction is against the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

COLUMNS = 2048
"""Columns of a turn."""
ROW_M = 0.001
_LOCAL_PX = 10.0
"""Sigma of the neighbourhood that a mark stands out from."""
_FLOOR = 0.012
"""Added to the standard deviation of a neighbourhood, logarithmic: what varies less is noise."""
_LOUDEST = 3.0
"""Marks are cut at so many standard deviations."""
_LOBE = 0.012
"""Angles this close to the best, turns, belong to the same peak."""


@dataclass(frozen=True)
class PolarImage:
    """One face's sidewall as an eye before that face sees it, or the tread.

    Args:
        brightness: ``(H, COLUMNS)`` float32, logarithmic; columns run clockwise for this eye.
        marks: ``(H, COLUMNS)`` float32, how far a pixel stands out from its neighbourhood, in
            standard deviations of it; 0 where unknown.
        known: ``(H, COLUMNS)`` where frames measured it.
        radii: ``(H,)`` metres, falling on a sidewall.
    """

    brightness: Float32Array
    marks: Float32Array
    known: NDArray[np.bool_]
    radii: FloatArray


def polar_image(part: FlatPart, scale: float, radii: FloatArray) -> PolarImage:
    """A flattened sidewall over radius and angle.

    Args:
        part: The sidewall.
        scale: What its radii are multiplied by.
        radii: ``(H,)`` rows of the image, metres, falling.
    """
    own = scale * part.section[:, 0]
    rising = np.maximum.accumulate(own[::-1])  # a belly may make a radius occur twice
    rows = np.interp(radii, rising, np.arange(len(own))[::-1].astype(np.float64))
    return _polar_image(part, rows, (radii <= rising[-1]) & (radii >= rising[0]), radii)


def strip_image(part: FlatPart, scale: float, heights: FloatArray) -> PolarImage:
    """A flattened tread over the position along the axle and angle.

    Args:
        part: The tread.
        scale: What its lengths are multiplied by.
        heights: ``(H,)`` rows of the image along the axle, metres, rising.
    """
    own = scale * part.section
    rising = np.maximum.accumulate(own[:, 1])
    rows = np.interp(heights, rising, np.arange(len(own), dtype=np.float64))
    radii = np.interp(heights, rising, own[:, 0])
    return _polar_image(part, rows, (heights >= rising[0]) & (heights <= rising[-1]), radii)


def _polar_image(
    part: FlatPart, rows: FloatArray, inside: NDArray[np.bool_], radii: FloatArray
) -> PolarImage:
    """A part at some of its rows ``(H,)``, and which of them lie on it."""
    width = part.colours.shape[1]
    columns = (np.arange(COLUMNS) + 0.5) * width / COLUMNS - 0.5
    shrink = max(width / COLUMNS, 1.0)
    pad = math.ceil(2 * shrink)
    x, y = np.meshgrid((columns + pad).astype(np.float32), rows.astype(np.float32))
    grey = cv2.cvtColor(part.colours, cv2.COLOR_RGB2GRAY).astype(np.float32)
    measured = (part.provenance == Provenance.MEASURED).astype(np.float32)
    grey, measured = (np.pad(v, ((0, 0), (pad, pad)), mode="wrap") for v in (grey, measured))
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.4 * shrink, borderType=cv2.BORDER_REPLICATE)
    value = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = (cv2.remap(measured, x, y, cv2.INTER_LINEAR) > 0.99) & inside[:, None]
    brightness = np.log(value + 8.0).astype(np.float32)
    return PolarImage(brightness, _standing_out(brightness, known), known, radii)


def _standing_out(values: Float32Array, known: NDArray[np.bool_]) -> Float32Array:
    """Values less the mean of their neighbourhood, in standard deviations of it."""
    share = np.maximum(_around(known.astype(np.float32)), 1e-3)
    away = values - _around(values * known) / share
    away[~known] = 0.0
    deviation = np.sqrt(_around(np.square(away)) / share)
    marks = np.clip(away / (deviation + _FLOOR), -_LOUDEST, _LOUDEST)
    return np.asarray(np.where(known, marks, 0.0), np.float32)


def _around(values: NDArray[np.floating[Any]]) -> Float32Array:
    """Averages of neighbourhoods; columns go round."""
    pad = int(4 * _LOCAL_PX)
    wide = np.pad(values, ((0, 0), (pad, pad)), mode="wrap")
    blurred = cv2.GaussianBlur(wide, (0, 0), _LOCAL_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred[:, pad:-pad], np.float32)


def elsewhere(columns: int) -> NDArray[np.bool_]:
    """``(COLUMNS,)``: which angles do not belong to the same peak as one."""
    away = np.abs((np.arange(COLUMNS) - columns + COLUMNS // 2) % COLUMNS - COLUMNS // 2)
    return np.asarray(away > _LOBE * COLUMNS)


@dataclass(frozen=True)
class Marks:
    """The same marks on two images of a face.

    Args:
        new: ``(M, 2)`` angle clockwise (radians) and radius (metres) on the one.
        other: ``(M, 2)`` likewise on the other.
    """

    new: FloatArray
    other: FloatArray


_WINDOW, _LEVELS = (31, 31), 3
_MOST_CORNERS = 3000
_MIN_DISTANCE = 5
_BACK = 0.3
"""Marks that are followed there and back end this close to where they began, columns."""


def follow_marks(new: PolarImage, other: PolarImage, columns: int) -> Marks:
    """Follow the marks of one image onto another, finer than its columns.

    Args:
        new: The one image.
        other: The other one.
        columns: By how many columns the other's marks lie further clockwise.
    """
    pad = COLUMNS // 16
    first, second = _grey(new.marks), _grey(np.roll(other.marks, -columns, axis=1))
    both = new.known & np.roll(other.known, -columns, axis=1)
    first, second = (np.pad(p, ((0, 0), (pad, pad)), mode="wrap") for p in (first, second))
    margin = cv2.erode(both.astype(np.uint8), np.ones((15, 31), np.uint8), borderValue=0)
    allowed = np.pad(margin, ((0, 0), (pad, pad)))
    corners = cv2.goodFeaturesToTrack(first, _MOST_CORNERS, 0.005, _MIN_DISTANCE, mask=allowed)
    if corners is None:
        return Marks(np.zeros((0, 2)), np.zeros((0, 2)))
    there, found = _flow(first, second, corners)
    back, again = _flow(second, first, there)
    lost = np.linalg.norm(back - corners, axis=-1).ravel()
    good = (found.ravel() == 1) & (again.ravel() == 1) & (lost < _BACK)
    a, b = corners.reshape(-1, 2)[good], there.reshape(-1, 2)[good]
    step = 2 * math.pi / COLUMNS

    def positions(points: NDArray[np.float32], shift: int) -> FloatArray:
        angle = (points[:, 0] + 0.5 - pad + shift) * step
        radius = np.interp(points[:, 1], np.arange(len(new.radii)), new.radii)
        return np.stack([angle, radius], axis=1)

    return Marks(positions(a, 0), positions(b, columns))


def _flow(
    first: NDArray[np.uint8], second: NDArray[np.uint8], points: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where points of the first image lie in the second, and whether they were found."""
    start = np.empty_like(points)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points, start, winSize=_WINDOW, maxLevel=_LEVELS
    )
    return there, found


def _grey(marks: Float32Array) -> NDArray[np.uint8]:
    scaled = (marks + _LOUDEST) * (255.0 / (2 * _LOUDEST))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


@dataclass(frozen=True)
class Rings:
    """Where the same circles, such as the rim's edge, lie on two images of a face.

    Args:
        angle: ``(K,)`` middle of each sector, radians clockwise.
        new: ``(K,)`` radius on the one, metres.
        other: ``(K,)`` radius on the other.
    """

    angle: FloatArray
    new: FloatArray
    other: FloatArray


_SECTORS = 36
_REACH_PX = 8
_LEAST_LIKENESS = 0.7
_LEAST_EDGE = 0.015
"""Steps of a ring's edge, logarithmic brightness a row."""


def match_rings(new: PolarImage, other: PolarImage, columns: int) -> Rings:
    """Match what both images show as circles, sector by sector.

    Args:
        new: The one image.
        other: The other one.
        columns: By how many columns the other's marks lie further clockwise.
    """
    edges = [_edges(new, 0), _edges(other, columns)]
    angles, here, there = [], [], []
    for sector in range(_SECTORS):
        a, b = edges[0][:, sector], edges[1][:, sector]
        if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.abs(a).max() < _LEAST_EDGE:
            continue
        shift, likeness = _shift(a, b)
        if likeness < _LEAST_LIKENESS:
            continue
        middle = float(np.average(np.arange(len(a)), weights=a**2))
        index = np.arange(len(new.radii))
        angles.append((sector + 0.5) * 2 * math.pi / _SECTORS)
        here.append(float(np.interp(middle, index, new.radii)))
        there.append(here[-1] - shift * (new.radii[0] - new.radii[1]))
    return Rings(np.array(angles), np.array(here), np.array(there))


def _edges(image: PolarImage, columns: int) -> FloatArray:
    """``(H, SECTORS)`` change of brightness along the radius, not finite where little is known."""
    values = np.roll(image.brightness, -columns, axis=1).astype(np.float64)
    known = np.roll(image.known, -columns, axis=1)
    bounds = np.linspace(0, COLUMNS, _SECTORS + 1).astype(int)[:-1]
    count = np.add.reduceat(known, bounds, axis=1, dtype=np.int64)
    mean = np.add.reduceat(np.where(known, values, 0.0), bounds, axis=1) / np.maximum(count, 1)
    edges = gaussian_filter1d(mean, 1.0, axis=0, order=1, mode="nearest")
    edges[:, (count < COLUMNS / _SECTORS / 2).any(axis=0)] = np.nan
    return np.asarray(edges)


def _shift(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Rows by which ``b`` lies lower than ``a``, and their normalised correlation there."""
    inner = a[_REACH_PX:-_REACH_PX]
    shifts = np.arange(-_REACH_PX, _REACH_PX + 1)
    moved = np.stack([b[_REACH_PX + k : len(b) - _REACH_PX + k] for k in shifts])
    norm = np.linalg.norm(moved, axis=1) * np.linalg.norm(inner)
    like = moved @ inner / np.maximum(norm, 1e-9)
    best = int(like.argmax())
    if best in (0, len(shifts) - 1):
        return 0.0, 0.0
    left, top, right = like[best - 1 : best + 2]
    return float(shifts[best] + 0.5 * (left - right) / (left - 2 * top + right)), float(top)
