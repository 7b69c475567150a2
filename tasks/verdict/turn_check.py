"""Whether a tyre turned on its axle as its cameras say, by what its face shows.

A face that is unrolled about the axle shows the same image in all frames, if it turned as is
said. It lies at no one height: sidewall and flange bulge, spokes lie deep. Each ring of it is
therefore looked at on planes at several heights, and counts as it does on the best of them: a wrong
turn makes images coincide on none. A turn that is a little too fast or too slow is told by how
much faster or slower one they coincide better with. What stays in place before the camera (shading,
reflections, edges of what hides the rim) tells nothing of a turn and is taken away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.geometry.sphere import tangents
from tasks.imaging.images import read_image
from tasks.imaging.resizing import bounded
from tasks.poses.record import PoseEstimate
from tasks.verdict.photos import log_grey

FloatArray = NDArray[np.float64]

_AROUND = 360
"""Angles at which a ring is looked at."""

_RINGS = ((0.25, 0.45), (0.45, 0.62), (0.62, 0.78), (0.78, 0.95))
"""Inner and outer radius of the rings, in radii of the tyre: two of spokes, flange, sidewall."""

_ACROSS = 8
"""Circles of a ring."""

_HEIGHTS = np.linspace(-1.2, 1.05, 10)
"""Heights of the planes above the tyre's middle, in half widths."""

_SLOW = 25.0
"""What varies around more slowly than so many angles (a Gaussian's deviation) is shading."""

_APART = (math.radians(20.0), math.radians(100.0))
"""Frames are compared that are so far apart: nearer, all that is smooth coincides; farther, light
and view have changed too much."""

_PAIRS = (20, 250)
"""Fewest pairs of frames that tell anything, and about as many as are looked at."""

_RATES = np.arange(-20, 21) / 50.0
"""By how much faster the tyre may have turned, as shares of how fast it is said to have."""


_SHOWS = 0.15
"""A ring whose images coincide by less however they are turned shows nothing but noise."""

_WORDS = 0.3
"""A sidewall that coincides by so much has words, and needs no other ring."""


@dataclass(frozen=True)
class TurnCheck:
    """What the face says of a turn; not a number where it shows nothing, or too few frames do.

    Args:
        agreement: Correlation of the face's images in two frames, turned back as is said: median
            over pairs of frames, of the sidewall, whose words do not repeat as spokes do, or of the
            ring that does second best (that one ring of spokes coincides may be chance), whichever
            is more.
        off_percent: By how many per cent faster or slower they would coincide best.
    """

    agreement: float
    off_percent: float


def check_turn(poses: PoseEstimate, frame_paths: Mapping[int, Path], longest_px: int) -> TurnCheck:
    """Compare what the face shows in different frames.

    Args:
        poses: Cameras of a tyre that spins, and the tyre.
        frame_paths: Images by index.
        longest_px: Longest side to which the images are reduced.
    """
    indices = [i for i in sorted(poses.cameras) if i in frame_paths]
    tyre = poses.tyre
    axes = tangents(tyre.axle)
    away = np.array([poses.cameras[i].centre - tyre.centre for i in indices]).reshape(-1, 3)
    angles = np.unwrap(np.arctan2(away @ axes[1], away @ axes[0]))
    first, second = np.triu_indices(len(indices), 1)
    turned = np.abs(angles[second] - angles[first])
    chosen = np.flatnonzero((turned > _APART[0]) & (turned < _APART[1]))
    if len(chosen) < _PAIRS[0]:
        return TurnCheck(math.nan, math.nan)
    chosen = chosen[:: max(1, len(chosen) // _PAIRS[1])]
    pairs = first[chosen], second[chosen]
    side = float(np.sign(np.median(away @ tyre.axle))) or 1.0
    greys = [log_grey(bounded(read_image(frame_paths[i]), longest_px)) for i in indices]
    cameras = [
        poses.cameras[i].resized(grey.shape[1], grey.shape[0])
        for i, grey in zip(indices, greys, strict=True)
    ]
    around = 2.0 * np.pi * np.arange(_AROUND) / _AROUND
    circle = np.cos(around)[:, None] * axes[0] + np.sin(around)[:, None] * axes[1]  # (A, 3)
    rings = np.full((len(_RINGS), len(_RATES)), -1.0)
    shows = np.zeros(len(_RINGS), dtype=bool)
    for n, (inner, outer) in enumerate(_RINGS):
        ring = tyre.radius * np.linspace(inner, outer, _ACROSS)[:, None, None] * circle
        for height in _HEIGHTS:
            points = tyre.centre + side * height * tyre.half_width * tyre.axle + ring
            images = np.stack([_seen(g, c, points) for g, c in zip(greys, cameras, strict=True)])
            at_height, most = _coincidence(_turning_part(images, angles), angles, *pairs)
            rings[n] = np.maximum(rings[n], at_height)
            shows[n] |= most > _SHOWS
    stated = rings[:, len(_RATES) // 2]
    if shows.sum() < 2 and stated[-1] < _WORDS:
        return TurnCheck(math.nan, math.nan)
    off = float(_RATES[rings.mean(axis=0).argmax()])
    return TurnCheck(float(max(np.sort(stated)[-2], stated[-1])), 100.0 * abs(off))


def _seen(grey: NDArray[np.float32], camera: Camera, points: FloatArray) -> FloatArray:
    """What an image shows at points ``(R, A, 3)`` of the world."""
    at = (camera.project(points.reshape(-1, 3))[:, :2] - 0.5).astype(np.float32)
    u, v = at.T.reshape(2, *points.shape[:2])
    found = cv2.remap(grey, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float64)


def _turning_part(images: FloatArray, angles: FloatArray) -> FloatArray:
    """Images ``(N, R, A)`` less what stays before the camera, and what varies slowly around.

    Args:
        images: At angles of the tyre.
        angles: ``(N,)`` angle about the axle at which the camera is, radians.
    """
    shifts = np.rint(angles * _AROUND / (2.0 * np.pi)).astype(int)
    fixed = np.stack([np.roll(p, -s, axis=1) for p, s in zip(images, shifts, strict=True)])
    fixed -= np.median(fixed, axis=(1, 2), keepdims=True)
    fixed -= np.median(fixed, axis=0)
    moving = np.stack([np.roll(p, s, axis=1) for p, s in zip(fixed, shifts, strict=True)])
    frequency = np.fft.rfftfreq(_AROUND)
    slow = np.exp(-2.0 * (np.pi * _SLOW * frequency) ** 2)
    return np.fft.irfft(np.fft.rfft(moving, axis=2) * (1.0 - slow), n=_AROUND, axis=2)


def _coincidence(
    images: FloatArray, angles: FloatArray, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[FloatArray, float]:
    """Median correlation of pairs of images ``(N, R, A)``, at each of ``_RATES`` and at best."""
    spectra = np.fft.rfft(images, axis=2).astype(np.complex64)
    product = (spectra[second] * spectra[first].conj()).sum(axis=1)
    size = np.maximum(np.linalg.norm(images, axis=(1, 2)), 1e-9)
    by_shift = np.fft.irfft(product, n=_AROUND) / (size[first] * size[second])[:, None]
    turned = (angles[second] - angles[first]) * _AROUND / (2.0 * np.pi)
    shifts = np.rint(_RATES[:, None] * turned).astype(int) % _AROUND
    at_rates = np.median(by_shift[np.arange(len(first)), shifts], axis=1)
    return np.asarray(at_rates), float(np.median(by_shift.max(axis=1)))
