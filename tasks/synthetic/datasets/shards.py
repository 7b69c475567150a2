"""Shards of training data: folders of arrays, there when they are complete."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def publish_shard(folder: Path, make: Callable[[], Mapping[str, NDArray[Any]]]) -> None:
    """Make one shard and publish it by renaming; a shard that exists is left alone.

    Args:
        folder: The shard.
        make: Makes its arrays, by the names of their files without ``.npy``.
    """
    if folder.exists():
        return
    scratch = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, array in make().items():
        np.save(scratch / f"{name}.npy", array)
    scratch.rename(folder)


def make_missing_shards(
    about: str | None, prefix: str, seeds: range, write: Callable[[Path, range], None]
) -> None:
    """A command that makes the shards that are missing.

    Args:
        about: What its help says of it.
        prefix: What the shards' names begin with.
        seeds: Seeds of the first shard; others have as many, one after the other.
        write: Makes one shard of its seeds.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    for shard in range(options.first, options.first + options.shards):
        start = seeds.start + shard * len(seeds)
        write(options.directory / f"{prefix}{shard:05d}", range(start, start + len(seeds)))
