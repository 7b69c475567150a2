"""Batches of the segmenter: images composed of cut-outs, and rendered views, cropped or whole."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.training import SegmentConfig
from tasks.core.errors import InputError
from tasks.matting.parts import BACKGROUND
from tasks.matting.segmenter import MARGIN
from tasks.matting.tyre_net import normalised
from tasks.training.segmentation import cutouts, views
from tasks.training.segmentation.compose import Library, compose, photographed
from tasks.training.segmentation.losses import near_boundaries

Image = NDArray[np.uint8]

FINE_SIZES = {True: ((256, 256),), False: ((160, 256), (192, 256), (256, 160), (256, 192))}
COARSE_SIZES = {True: ((160, 160), (192, 192)), False: ((96, 160), (128, 160), (160, 96))}
"""Height and width of crops about a tyre (True) and of whole frames (False), pixels."""

_VALIDATION_SIDE = 256

_PHOTOGRAPHED_AGAIN = 0.6
"""Share of rendered views, which went through a phone when they were made, that do so once more:
edges that are blurred twice are seen in no film."""


class SegmentData:
    """Shards of a folder: those for training, and those that are kept for validation.

    Args:
        folder: Folder in which shards are published.
        config: Settings of the training.
    """

    def __init__(self, folder: Path, config: SegmentConfig) -> None:
        self.folder = folder
        self.config = config
        self._known: set[str] = set()
        self.train = Library([], [], [])
        self.held_out = Library([], [], [])
        self.views: list[tuple[Image, Image]] = []
        self.held_out_views: list[tuple[Image, Image]] = []
        self.rescan()

    def rescan(self) -> None:
        """Take up shards published since the last look; they stay on disk."""
        for path in self._new_shards(cutouts.PREFIX):
            library = self.held_out if self._kept(path) else self.train
            for name in cutouts.ARRAYS:
                arrays: list[Image] = getattr(library, name)
                arrays.append(np.load(path / f"{name}.npy", mmap_mode="r"))
        for path in self._new_shards(views.PREFIX):
            image, parts = (np.load(path / f"{name}.npy", mmap_mode="r") for name in views.ARRAYS)
            (self.held_out_views if self._kept(path) else self.views).append((image, parts))

    def _new_shards(self, prefix: str) -> list[Path]:
        new = [p for p in sorted(self.folder.glob(f"{prefix}*")) if p.name not in self._known]
        self._known.update(p.name for p in new)
        return new

    def _kept(self, shard: Path) -> bool:
        """Whether a shard is kept for validation."""
        return int(shard.name.split("-")[1]) % self.config.validation_every == 0

    def require_shards(self) -> None:
        """Refuse to go on without tyres.

        Raises:
            InputError: There are none.
        """
        if not self.train.rgba:
            raise InputError(
                "training-no-data",
                stage="train",
                what=f"{self.folder} holds no shards of cut-out tyres",
                advice="Make some: python -m tasks.training.segmentation.cutouts",
            )

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A batch.

        Returns:
            Images ``(B, 3, H, W)`` float32 normalised, parts ``(B, H, W)`` int64, and ``(B, H, W)``
            bool: what is near a boundary.
        """
        cropped = bool(rng.random() < self.config.crop_share)
        fine = rng.random() < self.config.fine_share
        sizes = (FINE_SIZES if fine else COARSE_SIZES)[cropped]
        height, width = sizes[int(rng.integers(len(sizes)))]
        pairs = []
        for _ in range(self.config.batch):
            if self.views and rng.random() < self.config.view_share:
                pairs.append(self._view(rng, height, width, cropped=cropped))
            else:
                pairs.append(compose(self.train, rng, height, width, cropped=cropped))
        near = np.stack([near_boundaries(part) for _, part in pairs])
        return *stacked(pairs), torch.from_numpy(near)

    def _view(
        self, rng: np.random.Generator, height: int, width: int, *, cropped: bool
    ) -> tuple[Image, Image]:
        """A rendered view, or a crop about its tyre, mirrored at random."""
        images, parts = self.views[int(rng.integers(len(self.views)))]
        at = int(rng.integers(len(images)))
        image, part = images[at], parts[at]
        if cropped:
            image, part = crop_about(image, part, rng)
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
        part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST_EXACT))
        if rng.random() < 0.5:
            image, part = image[:, ::-1], part[:, ::-1]
        if rng.random() < _PHOTOGRAPHED_AGAIN:
            image = photographed(image, rng)
        return np.ascontiguousarray(image), np.ascontiguousarray(part)

    def validation_pairs(self) -> list[tuple[Image, Image]]:
        """Images of held-out tyres, always the same for the same shards: crops, none from training.

        Rendered views where there are some, else composed ones.
        """
        rng = np.random.default_rng(0)
        side, count = _VALIDATION_SIDE, self.config.validation_images
        found = [
            crop_about(image, part, rng)
            for images, parts in self.held_out_views
            for image, part in zip(images, parts, strict=True)
            if (part != BACKGROUND).any()
        ]
        if found:
            return [
                (
                    np.asarray(cv2.resize(i, (side, side), interpolation=cv2.INTER_AREA)),
                    np.asarray(cv2.resize(p, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)),
                )
                for i, p in found[:count]
            ]
        if not self.held_out.rgba:
            return []
        return [compose(self.held_out, rng, side, side, cropped=True) for _ in range(count)]


def crop_about(image: Image, parts: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """A square about the tyre with the margin of inference, jittered; beyond the image it is cut.

    Args:
        image: ``(H, W, 3)``.
        parts: ``(H, W)``; without a tyre the whole image is returned.
        rng: Source of the jitter.
    """
    x, y, w, h = cv2.boundingRect((parts != BACKGROUND).astype(np.uint8))
    if w == 0:
        return image, parts
    longest = max(w, h)
    half = longest * (0.5 + MARGIN) * np.exp(rng.normal(0, 0.07))
    cx, cy = np.array([x + w / 2, y + h / 2]) + rng.normal(0, 0.04, 2) * longest
    height, width = parts.shape
    x0, x1 = (int(np.clip(v, 0, width)) for v in (cx - half, cx + half))
    y0, y1 = (int(np.clip(v, 0, height)) for v in (cy - half, cy + half))
    return image[y0:y1, x0:x1], parts[y0:y1, x0:x1]


def stacked(pairs: list[tuple[Image, Image]]) -> tuple[Tensor, Tensor]:
    """Images of one size and their parts as the network and the loss read them."""
    images = torch.from_numpy(np.stack([image for image, _ in pairs]))
    parts = torch.from_numpy(np.stack([part for _, part in pairs]).astype(np.int64))
    return normalised(images), parts
