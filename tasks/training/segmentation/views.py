"""Shards of rendered views for the segmenter: frames of hard scenes with the parts of the tyre.

A shard is a folder with ``image.npy`` ``(N, H, W, 3)`` uint8 sRGB and ``parts.npy`` ``(N, H, W)``
uint8, published by renaming it once complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.synthetic.datasets.shards import make_missing_shards, publish_shard
from tasks.synthetic.scenes.labelled import labelled_view
from tasks.synthetic.tyres.spec import TRAIN_SEEDS

FIRST_SEED = TRAIN_SEEDS[900_000]
SIZE = (640, 480)
"""Width and height of a view, pixels."""
VIEWS = 16
"""Views of a shard."""

PREFIX = "views-"
ARRAYS = ("image", "parts")


def write_shard(folder: Path, seeds: Sequence[int], size: tuple[int, int] = SIZE) -> None:
    """Make one shard; a shard that exists is left alone."""

    def make() -> dict[str, NDArray[np.uint8]]:
        made = [labelled_view(seed, size) for seed in seeds]
        return {name: np.stack([getattr(view, name) for view in made]) for name in ARRAYS}

    publish_shard(folder, make)


def main() -> None:
    """Make the shards that are missing: ``python -m tasks.training.segmentation.views DIR``."""
    seeds = range(FIRST_SEED, FIRST_SEED + VIEWS)
    make_missing_shards(main.__doc__, PREFIX, seeds, write_shard)


if __name__ == "__main__":
    main()
