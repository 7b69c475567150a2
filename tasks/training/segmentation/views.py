"""Shards of rendered views for the segmenter: frames of hard scenes with the parts of the tyre.

A shard is a folder with ``image.npy`` ``(N, H, W, 3)`` uint8 sRGB and ``parts.npy`` ``(N, H, W)``
uint8, published by renaming it once complete.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
    """Make one shard and publish it by renaming; a shard that exists is left alone."""
    if folder.exists():
        return
    scratch = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    made = [labelled_view(seed, size) for seed in seeds]
    np.save(scratch / "image.npy", np.stack([view.image for view in made]))
    np.save(scratch / "parts.npy", np.stack([view.parts for view in made]))
    scratch.rename(folder)


def main() -> None:
    """Make the shards that are missing: ``python -m tasks.training.segmentation.views DIR``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    for shard in range(options.first, options.first + options.shards):
        start = FIRST_SEED + shard * VIEWS
        write_shard(options.directory / f"{PREFIX}{shard:05d}", range(start, start + VIEWS))


if __name__ == "__main__":
    main()
