"""The defects of real masks and cameras, put on clean training views: in batches, on any device."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tasks.imaging.masks import foreground

GREY = 0.5
"""Level behind the cut-out, as TripoSR expects it."""
STEPS_PER_PX = 16
"""Distances to edges are kept in bytes, in sixteenths of a pixel: up to 8 pixels."""

_FINEST_GROUND = 40
_BLUR_RADIUS_PX = 4


def edge_distances(alpha: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Signed distances to the edge of a mask and to that of the mask with its openings filled.

    Args:
        alpha: ``(S, S)`` uint8.

    Returns:
        ``(2, S, S)`` int8 in 1 / :data:`STEPS_PER_PX` pixels, positive inside, clipped.
    """
    hard = foreground(alpha).astype(np.uint8)
    contours, _ = cv2.findContours(hard, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(hard), contours, -1, 1, cv2.FILLED)
    found = []
    for mask in (hard, filled):
        inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
        found.append(np.clip((inside - outside) * STEPS_PER_PX, -127, 127))
    return np.stack(found).astype(np.int8)


class _Chance:
    """Random numbers for each view of a batch, ``(B, channels, 1, 1)``."""

    def __init__(self, batch: int, generator: torch.Generator) -> None:
        self._batch = batch
        self._generator = generator

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * self._rand(channels, 1)

    def normal(self, sigma: float, channels: int = 1, size: int = 1) -> Tensor:
        shape = (self._batch, channels, size, size)
        device = self._generator.device
        return sigma * torch.randn(shape, generator=self._generator, device=device)

    def happens(self, share: float) -> Tensor:
        return self._rand(1, 1) < share

    def smooth(self, size: int, cells: int) -> Tensor:
        """Smooth noise around a half, ``(B, 1, size, size)``."""
        return F.interpolate(self._rand(1, cells), (size, size), mode="bicubic")

    def ground(self, size: int) -> Tensor:
        """Coloured blots of 2 to 40 cells across, ``(B, 3, size, size)`` in 0..1."""
        noise = self._rand(3, _FINEST_GROUND)
        cells = self.uniform(math.log(2), math.log(_FINEST_GROUND)).exp()
        zoom = torch.eye(2, 3, device=noise.device) * (cells / _FINEST_GROUND)[:, 0]
        where = F.affine_grid(zoom, [self._batch, 3, size, size], align_corners=False)
        blots = F.grid_sample(
            noise, where, "bicubic", padding_mode="reflection", align_corners=False
        )
        mix = self.uniform(0.1, 0.6)
        return (blots * mix + self.uniform(0, 1, 3) * (1 - mix)).clamp(0, 1)

    def _rand(self, channels: int, size: int) -> Tensor:
        shape = (self._batch, channels, size, size)
        return torch.rand(shape, generator=self._generator, device=self._generator.device)


def defective_masks(alpha: Tensor, edges: Tensor, generator: torch.Generator) -> Tensor:
    """Masks as background removal makes them: filled openings, ragged or shifted edges, cuts.

    Args:
        alpha: ``(B, 1, S, S)`` float32, 0..1, the true masks.
        edges: ``(B, 2, S, S)`` int8 (:func:`edge_distances`).
        generator: Source of random numbers, on the device of both.

    Returns:
        ``(B, 1, S, S)`` float32, 0..1.
    """
    size = alpha.shape[-1]
    chance = _Chance(len(alpha), generator)
    distances = edges.float() / STEPS_PER_PX
    opened, filled = distances[:, :1], distances[:, 1:]
    in_part = chance.happens(0.3) & (chance.smooth(size, 5) < 0.5)
    fill = chance.happens(0.5) & ~in_part  # openings of a rim filled, wholly or in part
    distance = torch.where(fill, filled, opened)
    mask = torch.where(fill & (filled > 0), 1.0, alpha)

    # edge inside or outside of the true one, more so in some places
    shift = chance.normal(0.8) + chance.uniform(0, 1.5) * (chance.smooth(size, 8) - 0.5)
    mask = torch.where(chance.happens(0.5), (distance + shift + 0.5).clamp(0, 1), mask)

    at = torch.arange(size, device=alpha.device) / size
    x, y = at[None], at[:, None]
    across = (x - chance.uniform(0.2, 0.8)) / chance.uniform(0.1, 0.35)
    down = (y - chance.uniform(0.8, 0.95)) / chance.uniform(0.02, 0.06)
    shadow = chance.happens(0.12) & (across**2 + down**2 <= 1)  # a remnant of the shadow below
    mask = torch.where(shadow, 1.0, mask)

    angle = chance.uniform(0, 2 * math.pi)  # a part cut off
    beyond = (x - 0.5) * angle.cos() + (y - 0.5) * angle.sin() >= chance.uniform(0.33, 0.45)
    return torch.where(chance.happens(0.10) & beyond, 0.0, mask)


def _colour_and_alpha(rgba: Tensor) -> tuple[Tensor, Tensor]:
    """``(B, S, S, 4)`` uint8 to ``(B, 3, S, S)`` and ``(B, 1, S, S)`` float32, 0..1."""
    planes = rgba.permute(0, 3, 1, 2).float() / 255
    return planes[:, :3], planes[:, 3:]


def _blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Images ``(B, 3, S, S)`` blurred by ``sigma (B, 1, 1, 1)`` pixels."""
    n, r = len(images), _BLUR_RADIUS_PX
    at = torch.arange(-r, r + 1, device=images.device)
    kernel = (-(at**2) / (2 * sigma[:, 0, 0] ** 2)).exp()  # (B, 9)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    rows = F.pad(images, (r, r, r, r), mode="reflect").flatten(0, 1)[None]  # (1, 3 B, ...)
    down = F.conv2d(rows, kernel[..., None], groups=3 * n)
    return F.conv2d(down, kernel[:, :, None], groups=3 * n).view_as(images)


def augment_views(rgba: Tensor, edges: Tensor, generator: torch.Generator) -> Tensor:
    """Training inputs from clean views.

    Args:
        rgba: ``(B, S, S, 4)`` uint8, straight alpha.
        edges: ``(B, 2, S, S)`` int8 (:func:`edge_distances`).
        generator: Source of random numbers, on the views' device.

    Returns:
        ``(B, 3, S, S)`` float32, 0..1, over grey.
    """
    size = rgba.shape[1]
    chance = _Chance(len(rgba), generator)
    colour, alpha = _colour_and_alpha(rgba)
    image = colour * alpha + chance.ground(size) * (1 - alpha)
    spoilt = defective_masks(alpha, edges, generator)
    mask = torch.where(chance.happens(0.25), alpha, spoilt)
    sharp = chance.happens(0.6)
    image = torch.where(sharp, image, _blurred(image, chance.uniform(0.2, 1.3)))
    image = image ** torch.where(chance.happens(0.5), chance.normal(0.2).exp(), 1.0)
    gain = (chance.normal(0.2) + chance.normal(0.05, 3)).exp()
    image = image * gain + chance.normal(0.02)
    grain = chance.uniform(0.005, 0.03) * chance.happens(0.5)
    image = (image + grain * chance.normal(1.0, 3, size)).clamp(0, 1)
    return image * mask + GREY * (1 - mask)


def clean_views(rgba: Tensor) -> Tensor:
    """Clean views over grey: ``(B, S, S, 4)`` uint8 to ``(B, 3, S, S)`` float32, 0..1."""
    colour, alpha = _colour_and_alpha(rgba)
    return colour * alpha + GREY * (1 - alpha)
