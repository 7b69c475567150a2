"""Batches from the shards of :mod:`tasks.synthetic.dataset`, drawn ahead and augmented."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.synthetic.augment import augment_view
from tasks.synthetic.dataset import ARRAYS
from tasks.training.config import TrainConfig


class ShardReader:
    """Draws augmented batches from the shards that exist; looks for new ones now and then."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = folder
        self.split = split
        self.shards: list[dict[str, NDArray[Any]]] = []
        self._known: set[str] = set()
        self.rescan()

    def rescan(self) -> None:
        """Take up shards published since the last look."""
        for path in sorted(self.folder.glob(f"{self.split}-*")):
            if path.name not in self._known:
                self._known.add(path.name)
                self.shards.append({n: np.load(path / f"{n}.npy", mmap_mode="r") for n in ARRAYS})

    def draw(self, config: TrainConfig, rng: np.random.Generator) -> dict[str, Tensor]:
        """One augmented training batch."""
        images, points, inside, surface, colour = [], [], [], [], []
        for _ in range(config.batch):
            shard = self.shards[rng.integers(len(self.shards))]
            tyre = rng.integers(shard["rgba"].shape[0])
            view = rng.integers(shard["rgba"].shape[1])
            image = augment_view(shard["rgba"][tyre, view], rng)
            to_crop = shard["to_crop"][tyre, view]
            pick = rng.integers(shard["points"].shape[1], size=config.points)
            p = to_crop_frame(to_crop, shard["points"][tyre][pick])
            pick_s = rng.integers(shard["surface"].shape[1], size=config.colour_points)
            s = to_crop_frame(to_crop, shard["surface"][tyre][pick_s])
            if rng.random() < 0.5:  # mirror image, mirror world
                image = image[:, ::-1]
                p[:, 1] *= -1
                s[:, 1] *= -1
            images.append(np.ascontiguousarray(image.transpose(2, 0, 1)))
            points.append(p)
            inside.append(shard["inside"][tyre][pick])
            surface.append(s)
            colour.append(shard["colour"][tyre][pick_s].astype(np.float32) / 255)
        return {
            "image": torch.from_numpy(np.stack(images)),
            "points": torch.from_numpy(np.stack(points)),
            "inside": torch.from_numpy(np.stack(inside)),
            "surface": torch.from_numpy(np.stack(surface)),
            "colour": torch.from_numpy(np.stack(colour)),
        }


def to_crop_frame(to_crop: NDArray[np.float32], points: NDArray[np.float16]) -> NDArray[np.float32]:
    """Points ``(N, 3)`` in metres through a shard's ``(3, 4)`` transform."""
    return np.asarray(
        points.astype(np.float32) @ to_crop[:, :3].T + to_crop[:, 3], dtype=np.float32
    )


def prefetch(
    reader: ShardReader, config: TrainConfig, seed: list[int]
) -> Iterator[dict[str, Tensor]]:
    """Batches drawn ahead by a thread."""
    ready: queue.Queue[dict[str, Tensor]] = queue.Queue(maxsize=6)

    def work() -> None:
        rng = np.random.default_rng(seed)
        drawn = 0
        while True:
            ready.put(reader.draw(config, rng))
            drawn += 1
            if drawn % 50 == 0:
                reader.rescan()

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield ready.get()
