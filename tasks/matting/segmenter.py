"""The tyre segmenter as a session: the whole frame to find the tyre, then a crop to outline it.

One network is run twice. On the whole frame, made small, it finds the box of the tyre; on a square
about it, the tyre is as large as the network can see, so that an error of a pixel there is a
fraction of a per cent of the tyre's diameter. Where the outline says that the box was wrong, the
crop is taken once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from configs.stages import Precision
from tasks.geometry.crop import CROP_FILL, Crop
from tasks.imaging.masks import foreground, largest_filled
from tasks.matting.matte import Matte
from tasks.matting.parts import BACKGROUND, RIM, RUBBER
from tasks.matting.tyre_net import MULTIPLE_PX, load_tyre_net, normalised
from tsr.precision import fast_bfloat16

Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

SIDE_PX = 256
"""Longest side of what the network reads, pixels."""

MARGIN = 0.12
"""Margin of the crop about the tyre, on each side, as a share of the tyre's longest side."""

MIN_TYRE_INSIDE = 0.02
"""Probability of tyre from which what the outline encloses belongs to it. On real photos spokes
have 0.02 to 0.5, openings before bright ground less than 0.01."""

_SAME_BOX = 0.75
"""Boxes that overlap less (intersection over union) are not the same."""


class Box(NamedTuple):
    """Pixels of a frame: columns ``x0`` to ``x1``, rows ``y0`` to ``y1``, the ends left out."""

    x0: int
    y0: int
    x1: int
    y1: int


class TyreSegmenter:
    """The session.

    Args:
        weights: The network's file.
        precision: ``fp32``, ``bf16``, or ``auto``: bfloat16 where it is the faster one.

    Raises:
        ValueError: The file cannot be read or holds another network.
    """

    def __init__(self, weights: Path, precision: Precision = "auto") -> None:
        faster = precision == "auto" and fast_bfloat16(torch.device("cpu"))
        self._dtype = torch.bfloat16 if faster or precision == "bf16" else torch.float32
        self._network = load_tyre_net(weights).to(self._dtype)

    def matte(self, images: Sequence[Image]) -> list[Matte]:
        """Mattes of BGR images with the parts of the tyre, each at its own size."""
        return [self._matte(np.ascontiguousarray(image[..., ::-1])) for image in images]

    def matte_in(self, image: Image, square: Crop) -> Matte:
        """The matte of a BGR image whose tyre fills a square as a chosen frame's fills its own."""
        height, width = image.shape[:2]
        half = max(square.side * CROP_FILL / 2, 1.0)
        x, y = min(max(square.cx, 0.0), width), min(max(square.cy, 0.0), height)
        box = Box(round(x - half), round(y - half), round(x + half), round(y + half))
        area = crop_about(box, width, height)
        shares = self._shares(np.ascontiguousarray(image[..., ::-1]), area)
        return _within(area, shares, width, height)

    def _matte(self, image: Image) -> Matte:
        height, width = image.shape[:2]
        area = Box(0, 0, width, height)
        shares = self._shares(image, area)
        for _ in range(2):
            box = tyre_box(shares, area)
            if box is None:
                break
            next_area = crop_about(box, width, height)
            if _overlap(next_area, area) > _SAME_BOX and area != Box(0, 0, width, height):
                break
            area = next_area
            shares = self._shares(image, area)
        return _within(area, shares, width, height)

    def _shares(self, image: Image, area: Box) -> Float32Array:
        """Probability of rubber and of rim in an area of an image, ``(h, w, 2)``."""
        height, width = area.y1 - area.y0, area.x1 - area.x0
        size = input_size(height, width)
        part = image[area.y0 : area.y1, area.x0 : area.x1]
        shrinks = height > size[0]
        small = cv2.resize(
            part, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        with torch.inference_mode():
            images = normalised(torch.from_numpy(np.asarray(small)[None])).to(
                self._dtype, memory_format=torch.channels_last
            )
            logits = self._network(images)[0].float().permute(1, 2, 0).contiguous().numpy()
        large = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
        # not PyTorch's softmax: it rounds otherwise where a thread's share of the pixels ends
        powers = np.exp(large - large.max(axis=2, keepdims=True))
        shares = powers / powers.sum(axis=2, keepdims=True)
        return np.asarray(shares[..., (RUBBER, RIM)], np.float32)


def input_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which the network reads an area: the longest side is full.

    The other is rounded up to what the network can halve, which stretches the image a little.
    """
    longest = max(height, width)
    rows, columns = (math.ceil(side / longest * SIDE_PX / MULTIPLE_PX) for side in (height, width))
    return rows * MULTIPLE_PX, columns * MULTIPLE_PX


def tyre_box(shares: Float32Array, area: Box) -> Box | None:
    """The box of the largest body that is more likely tyre than not; None if there is none.

    Args:
        shares: Probability of rubber and rim in an area, ``(h, w, 2)``.
        area: That area of the frame.
    """
    x, y, w, h = cv2.boundingRect(largest_filled(shares.sum(axis=2) > 0.5).astype(np.uint8))
    if not w:
        return None
    return Box(area.x0 + x, area.y0 + y, area.x0 + x + w, area.y0 + y + h)


def crop_about(box: Box, width: int, height: int) -> Box:
    """The square about a box, with its margin; what leaves the frame is cut off."""
    half = max(box.x1 - box.x0, box.y1 - box.y0) * (0.5 + MARGIN)
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return Box(
        max(round(x - half), 0),
        max(round(y - half), 0),
        min(round(x + half), width),
        min(round(y + half), height),
    )


def _within(area: Box, shares: Float32Array, width: int, height: int) -> Matte:
    """The matte of a frame from the probabilities in an area of it."""
    whole = np.zeros((height, width, 2), np.float32)
    whole[area.y0 : area.y1, area.x0 : area.x1] = shares
    return matte_of(whole)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = ((box.x1 - box.x0) * (box.y1 - box.y0) for box in (a, b))
    return both / (sum(areas) - both)


def matte_of(shares: Float32Array) -> Matte:
    """Alpha and parts from the probabilities of rubber and rim ``(H, W, 2)``.

    What the tyre's outline encloses is an opening only where it hardly can be tyre: a spoke that is
    cut out of a mask is carved out of the mesh, while an opening that was filled is found again by
    the photos.
    """
    tyre = np.minimum(shares.sum(axis=2), 1.0)
    inside = largest_filled(tyre > 0.5)
    doubtful = inside & (tyre > MIN_TYRE_INSIDE) & (tyre < 0.5)
    alpha = np.rint(np.where(doubtful, 1.0, tyre) * 255).astype(np.uint8)
    part = np.where(doubtful | (shares[..., 1] > shares[..., 0]), RIM, RUBBER)
    parts = np.where(foreground(alpha), part, BACKGROUND).astype(np.uint8)
    return Matte(alpha, float(tyre.max()), parts)
