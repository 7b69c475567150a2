"""SIFT: key points are blobs, descriptors are histograms of gradients.

Source: Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004; the square
root of normalised histograms: Arandjelović and Zisserman, Three things everyone should know to
improve object retrieval, CVPR 2012.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.poses.features.keypoints import MOST, KeyPoints

_LAYERS = 3
"""Scales of an octave."""

USUAL_CONTRAST = 0.015 / _LAYERS
"""Contrast of a blob, as a share of white, below which it is noise in most images."""

LOW_CONTRAST = USUAL_CONTRAST / 3.0
"""The same where there is little else, as on rubber."""

MAX_ANGLE = 0.7
"""Descriptors further apart do not correspond, radians; as COLMAP has it."""

MAX_RATIO = 0.8
"""Nor do those whose second nearest is about as near (Lowe, section 7.1)."""


def detect_sift(image: NDArray[np.uint8]) -> KeyPoints:
    """Key points of a grey image ``(H, W)``; their strength is their contrast."""
    sift = cv2.SIFT.create(
        nfeatures=MOST,
        nOctaveLayers=_LAYERS,
        contrastThreshold=LOW_CONTRAST * _LAYERS,
        enable_precise_upscale=True,
    )
    found, histograms = sift.detectAndCompute(image, None)
    if not found:
        return KeyPoints(np.empty((0, 2)), np.empty(0, np.float32), np.empty((0, 128), np.float32))
    strength = np.array([k.response for k in found], np.float32)
    order = np.argsort(-strength, kind="stable")
    points = np.array([k.pt for k in found], np.float64)[order] + 0.5  # OpenCV counts centres
    share = histograms[order] / np.maximum(histograms[order].sum(axis=1, keepdims=True), 1e-6)
    return KeyPoints(points, strength[order], np.sqrt(share, dtype=np.float32))
