"""The defects of real masks and cameras, put on clean training views."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

GREY = 0.5
"""Level behind the cut-out, as TripoSR expects it."""


def _smooth_noise(rng: np.random.Generator, size: int, cells: int, channels: int) -> FloatImage:
    noise = rng.random((cells, cells, channels), dtype=np.float32)
    return np.asarray(
        cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32
    ).reshape(size, size, channels)


def _background(rng: np.random.Generator, size: int) -> FloatImage:
    cells = int(rng.choice([2, 3, 6, 16, 40]))
    noise = _smooth_noise(rng, size, cells, 3)
    tint = rng.random(3, dtype=np.float32)
    mix = np.float32(rng.uniform(0.1, 0.6))
    return np.asarray(np.clip(noise * mix + tint * (1 - mix), 0, 1), dtype=np.float32)


def defective_mask(alpha: FloatImage, rng: np.random.Generator) -> FloatImage:
    """A mask as background removal makes it: filled openings, ragged or shifted edges, cuts.

    Args:
        alpha: ``(S, S)`` float32, 0..1, the true mask.
        rng: Source of randomness.

    Returns:
        ``(S, S)`` float32, 0..1.
    """
    size = alpha.shape[0]
    hard = (alpha > 0.5).astype(np.uint8)
    mask = alpha
    if rng.random() < 0.5:  # openings of a rim filled, wholly or in part
        contours, _ = cv2.findContours(hard, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = cv2.drawContours(np.zeros_like(hard), contours, -1, 1, cv2.FILLED)
        holes = (filled - hard).astype(np.float32)
        if rng.random() < 0.3:
            holes *= _smooth_noise(rng, size, 5, 1)[..., 0] > 0.5
        mask = np.maximum(mask, holes)
    if rng.random() < 0.5:  # edge inside or outside of the true one, more so in some places
        shift = rng.normal(0.0, 0.8) + rng.uniform(0, 1.5) * (
            _smooth_noise(rng, size, 8, 1)[..., 0] - 0.5
        )
        hard = (mask > 0.5).astype(np.uint8)
        signed = cv2.distanceTransform(hard, cv2.DIST_L2, 3) - cv2.distanceTransform(
            1 - hard, cv2.DIST_L2, 3
        )
        mask = np.clip(signed + shift + 0.5, 0, 1)
    if rng.random() < 0.12:  # a remnant of the shadow below
        centre = (int(rng.uniform(0.2, 0.8) * size), int(rng.uniform(0.8, 0.95) * size))
        axes = (int(rng.uniform(0.1, 0.35) * size), int(rng.uniform(0.02, 0.06) * size))
        shadow = cv2.ellipse(np.zeros((size, size), np.float32), centre, axes, 0, 0, 360, 1, -1)
        mask = np.maximum(mask, shadow)
    if rng.random() < 0.10:  # a part cut off
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[:size, :size] / size - 0.5
        keep = x * np.cos(angle) + y * np.sin(angle) < rng.uniform(0.33, 0.45)
        mask = mask * keep
    return np.asarray(mask, dtype=np.float32)


def augment_view(rgba: NDArray[np.uint8], rng: np.random.Generator) -> FloatImage:
    """A training input from a clean view.

    Args:
        rgba: ``(S, S, 4)`` uint8, straight alpha.
        rng: Source of randomness.

    Returns:
        ``(S, S, 3)`` float32, 0..1, over grey.
    """
    size = rgba.shape[0]
    colour = np.asarray(rgba[..., :3], dtype=np.float32) / np.float32(255)
    alpha = np.asarray(rgba[..., 3], dtype=np.float32) / np.float32(255)
    image = colour * alpha[..., None] + _background(rng, size) * (1 - alpha[..., None])
    mask = alpha if rng.random() < 0.25 else defective_mask(alpha, rng)
    if rng.random() < 0.4:
        sigma = float(rng.uniform(0.2, 1.3))
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)
    if rng.random() < 0.5:
        image = image ** np.float32(np.exp(rng.normal(0, 0.2)))
    gain = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.05, 3)).astype(np.float32)
    image = image * gain + np.float32(rng.normal(0, 0.02))
    if rng.random() < 0.5:
        image = image + rng.normal(0, rng.uniform(0.005, 0.03), image.shape).astype(np.float32)
    image = np.clip(image, 0, 1) * mask[..., None] + GREY * (1 - mask[..., None])
    return np.asarray(image, dtype=np.float32)


def clean_view(rgba: NDArray[np.uint8]) -> FloatImage:
    """A clean view over grey: ``(S, S, 4)`` uint8 to ``(S, S, 3)`` float32, 0..1."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.asarray(rgba[..., :3].astype(np.float32) / 255 * alpha + GREY * (1 - alpha))
