"""Batches from the shards of :mod:`tasks.synthetic.datasets.dataset`, augmented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs.training import TrainConfig
from tasks.core.errors import InputError
from tasks.synthetic.datasets.augment import augment_views
from tasks.synthetic.datasets.dataset import ARRAYS

_SHARDS_OF_A_BATCH = 8


class ShardReader:
    """Draws augmented batches from the shards that exist.

    Shards stay on disk (mapped into memory) for a CPU, and are copied to the memory of an
    accelerator, about 45 MB each, where drawing and augmenting take place, too.

    Args:
        folder: Folder in which shards are published.
        split: "train" or "validation".
        device: Device that the batches are for.
        most: Number of shards to take up at most.

    Raises:
        InputError: A shard is of an older generator.
    """

    def __init__(self, folder: Path, split: str, device: str = "cpu", most: int = 1000) -> None:
        self.folder = folder
        self.split = split
        self.device = device
        self.most = most
        self.shards: list[dict[str, Tensor]] = []
        self._known: set[str] = set()
        self.rescan()

    def rescan(self) -> None:
        """Take up shards published since the last look."""
        new = {p.name: p for p in self.folder.glob(f"{self.split}-*") if p.name not in self._known}
        for name in sorted(new)[: self.most - len(self.shards)]:
            self._known.add(name)
            try:
                arrays = {n: np.load(new[name] / f"{n}.npy", mmap_mode="c") for n in ARRAYS}
            except FileNotFoundError as exc:
                raise InputError(
                    "training-old-data",
                    stage="train",
                    what=f"{new[name]} lacks {Path(str(exc.filename)).name}: an older version"
                    " generated it",
                    advice="Train in a new folder, or delete the shards of this one",
                ) from exc
            self.shards.append({n: torch.from_numpy(a).to(self.device) for n, a in arrays.items()})

    def require_shards(self) -> None:
        """Refuse to go on without a shard.

        Raises:
            InputError: There is none.
        """
        if not self.shards:
            raise InputError(
                "training-no-data",
                stage="train",
                what=f"{self.folder} holds no {self.split} shards",
                advice="Make some: python -m tasks.synthetic.datasets.dataset",
            )

    def draw(self, config: TrainConfig, rng: np.random.Generator) -> dict[str, Tensor]:
        """One augmented training batch, from a handful of shards."""
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))
        parts = [
            _pick(self.shards[rng.integers(len(self.shards))], len(views), config, generator)
            for views in np.array_split(np.arange(config.batch), _SHARDS_OF_A_BATCH)
            if len(views)
        ]
        batch = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        image = augment_views(batch.pop("rgba"), batch.pop("edges"), generator)
        mirrored = torch.rand(len(image), generator=generator, device=self.device) < 0.5
        batch["image"] = torch.where(mirrored[:, None, None, None], image.flip(-1), image)
        for name in ("points", "surface"):  # mirror image, mirror world
            batch[name][..., 1] *= 1 - 2 * mirrored[:, None].float()
        return batch


def _pick(
    shard: dict[str, Tensor], count: int, config: TrainConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Some views of a shard, with points of their tyres in their crop frames."""

    def numbers(end: int, *shape: int) -> Tensor:
        return torch.randint(end, shape, generator=generator, device=generator.device)

    tyre = numbers(shard["rgba"].shape[0], count)
    view = numbers(shard["rgba"].shape[1], count)
    to_crop = shard["to_crop"][tyre, view]
    point = numbers(shard["points"].shape[1], count, config.points)
    dot = numbers(shard["surface"].shape[1], count, config.colour_points)
    return {
        "rgba": shard["rgba"][tyre, view],
        "edges": shard["edges"][tyre, view],
        "points": to_crop_frame(to_crop, shard["points"][tyre[:, None], point]),
        "inside": shard["inside"][tyre[:, None], point],
        "surface": to_crop_frame(to_crop, shard["surface"][tyre[:, None], dot]),
        "colour": shard["colour"][tyre[:, None], dot].float() / 255,
    }


def to_crop_frame(to_crop: Tensor, points: Tensor) -> Tensor:
    """Points ``(B, N, 3)`` in metres through the views' ``(B, 3, 4)`` transforms."""
    return points.float() @ to_crop[:, :, :3].mT + to_crop[:, None, :, 3]
