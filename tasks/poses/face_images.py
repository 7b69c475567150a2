"""How far a face has turned between any two frames, from its unrolled images.

A ring about the axle, unrolled, is a line that moves along itself as the face turns; correlation
tells by how much (Reddy and Chatterji, An FFT-based technique for translation, rotation, and
scale-invariant image registration, IEEE Trans. Image Processing 5, 1996). What stays before the
camera (shading, reflections, edges of what hides a part) is taken away as the mean over the frames:
matches of features hold much of it, and turn too little for it. Each ring of a pair tells one
angle.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.angles import wrapped
from tasks.poses.face_turns import Turns

FloatArray = NDArray[np.float64]

RINGS: FloatArray = np.linspace(0.22, 0.93, 32)
"""Radii of the rings, in radii of the tyre."""

AROUND = 720
"""Angles at which a ring is looked at."""

_AT_REST = np.radians(3.0)
"""Turns by less are not looked for: what stays, but for a hand's shake, is strongest there."""

_ALIKE = 0.3
"""Least correlation of two images of a ring that tells an angle."""


def unrolled(images: Sequence[NDArray[np.uint8]], pixels: Sequence[FloatArray]) -> FloatArray:
    """Images of the rings.

    Args:
        images: ``N`` grey images.
        pixels: For each ``(R, A, 2)``, where the points of the rings lie.

    Returns:
        ``(N, R, A)``, without what all frames show at the same pixel before the camera.
    """
    lines = []
    for image, at in zip(images, pixels, strict=True):
        u, v = np.moveaxis(at - 0.5, 2, 0).astype(np.float32)
        lines.append(cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    rings = np.stack(lines).astype(np.float64)
    rings -= rings.mean(axis=0)
    return np.asarray(rings - rings.mean(axis=2, keepdims=True))


def turns_of(images: FloatArray) -> Turns:
    """By what angles the rings turn, for each pair of frames.

    Args:
        images: ``(N, R, A)`` from :func:`unrolled`.
    """
    count, _, cells = images.shape
    spectra = np.fft.rfft(images, axis=2)
    size = np.linalg.norm(images, axis=2) + 1e-3
    step = 2.0 * np.pi / cells
    resting = np.abs(wrapped(step * np.arange(cells))) < _AT_REST
    turns = []
    for i in range(count - 1):
        alike = np.fft.irfft(spectra[i].conj() * spectra[i + 1 :], n=cells, axis=2)
        alike /= (size[i] * size[i + 1 :])[:, :, None]
        peak = np.where(resting, -1.0, alike).argmax(axis=2)[:, :, None]
        before, there, after = (
            np.take_along_axis(alike, (peak + k) % cells, axis=2)[:, :, 0] for k in (-1, 0, 1)
        )
        bend = np.minimum(before - 2.0 * there + after, -1e-9)
        angle = wrapped(step * (peak[:, :, 0] + np.clip(0.5 * (before - after) / bend, -0.5, 0.5)))
        for k, matched in enumerate(there > _ALIKE):
            turns.append((i, i + 1 + k, angle[k][matched]))
    return turns
