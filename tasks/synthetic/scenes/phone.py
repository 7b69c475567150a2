"""What a phone makes of light: exposure, white balance, blur, noise, sharpening, compression."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.imaging.images import with_jpeg_losses
from tasks.synthetic.scenes.lighting import Look, to_srgb
from tasks.synthetic.scenes.raycast import Float32Array
from tasks.synthetic.tyres.sampling import uniform_or_zero


@dataclass(frozen=True)
class Effects:
    """What a phone does to one image.

    Args:
        blur_px: Standard deviation of the lens' blur, pixels.
        motion_px: Length of the motion's blur, pixels.
        motion_rad: Direction of the motion in the image.
        vignette: Light lost in the corners, 0 to 1.
        noise: Standard deviation at middle grey, in levels of 255.
        smear: Strength of noise removal, 0 for none: flat places lose their texture.
        sharpen: Strength of sharpening.
        quality: JPEG's quality, 1 to 100; None for no compression.
    """

    blur_px: float = 0.0
    motion_px: float = 0.0
    motion_rad: float = 0.0
    vignette: float = 0.0
    noise: float = 0.0
    smear: float = 0.0
    sharpen: float = 0.0
    quality: int | None = None


def sample_effects(rng: np.random.Generator, side: int) -> Effects:
    """Draw a phone's effects on an image whose longer side is ``side`` pixels."""
    scale = side / 384
    return Effects(
        blur_px=scale * uniform_or_zero(rng, 0.6, 0.2, 1.1 if rng.random() < 0.85 else 2.2),
        motion_px=scale * uniform_or_zero(rng, 0.25, 1.0, 7.0),
        motion_rad=float(rng.uniform(0, math.pi)),
        vignette=uniform_or_zero(rng, 0.6, 0.0, 0.4),
        noise=uniform_or_zero(rng, 0.8, 0.5, 4.0 if rng.random() < 0.8 else 11.0),
        smear=uniform_or_zero(rng, 0.3, 8.0, 30.0),
        sharpen=uniform_or_zero(rng, 0.6, 0.2, 1.4),
        quality=int(rng.integers(25, 96)) if rng.random() < 0.85 else None,
    )


def metered(
    light: Float32Array, look: Look, rng: np.random.Generator, *, dim: bool = False
) -> Look:
    """The look with an exposure as a phone would choose it, not always well.

    Args:
        light: ``(H, W, 3)`` linear RGB.
        look: Its exposure is replaced.
        rng: Source of randomness.
        dim: The room is too dark for the phone.
    """
    grey = cv2.resize(light, (48, 48), interpolation=cv2.INTER_AREA).mean(axis=2)
    if rng.random() < 0.4:  # for the lights
        measured, level = float(np.quantile(grey, 0.9)), rng.uniform(0.55, 1.3)
    else:  # for the middle
        measured, level = (
            float(np.exp(np.log(grey + 1e-3).mean())),
            0.2 * np.exp(rng.normal(0, 0.35)),
        )
    if dim:
        level *= rng.uniform(0.12, 0.4)
    return replace(look, exposure=float(level / max(measured, 1e-3)))


def photographed(
    light: Float32Array, look: Look, effects: Effects, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The image ``(H, W, 3)`` uint8 sRGB that a phone makes of linear light ``(H, W, 3)``."""
    height, width = light.shape[:2]
    if effects.blur_px > 0.15:
        light = _f32(cv2.GaussianBlur(light, (0, 0), effects.blur_px))
    if effects.motion_px > 1.0:
        light = _f32(cv2.filter2D(light, -1, _streak(effects.motion_px, effects.motion_rad)))
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = (1 - effects.vignette * ((x * x + y * y) / 2) ** 1.5).astype(np.float32)
    image = to_srgb(light * falloff[..., None], look).astype(np.float32)
    if effects.noise:
        common = rng.standard_normal((height, width, 1), dtype=np.float32)
        single = rng.standard_normal((height, width, 3), dtype=np.float32)
        image += effects.noise * (1.3 - 0.6 * image / 255) * (0.8 * common + 0.5 * single)
    if effects.smear:
        image = _f32(cv2.bilateralFilter(image, 5, effects.smear, 2.0))
    if effects.sharpen:
        image += effects.sharpen * (image - cv2.GaussianBlur(image, (0, 0), 1.0))
    bytes_ = np.asarray(np.clip(np.rint(image), 0, 255), dtype=np.uint8)
    if effects.quality is None:
        return bytes_
    return with_jpeg_losses(bytes_, effects.quality)


def _streak(length: float, angle: float) -> Float32Array:
    """The kernel of a motion: a line through its middle that sums to one."""
    half = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    d = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    a, b = (np.rint((half + s * d) * 16).astype(int) for s in (-1, 1))
    cv2.line(kernel, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _f32(image: NDArray[np.generic]) -> Float32Array:
    return np.asarray(image, dtype=np.float32)
