"""Batches are drawn from shards, and shards of an older generator refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.training import TrainConfig
from tasks.core.errors import InputError
from tasks.training.reconstruction.shards import ShardReader, to_crop_frame


def test_a_mirrored_view_has_a_mirrored_tyre(shards: Path) -> None:
    """Of one view both hands are drawn, and nothing else."""
    reader = ShardReader(shards, "train")
    shard = {
        n: a[:1, :1] if n in ("rgba", "edges", "to_crop") else a[:1]
        for n, a in (reader.shards[0].items())
    }
    reader.shards = [shard]
    config = TrainConfig(batch=40, points=512, colour_points=8)
    batch = reader.draw(config, np.random.default_rng(0))
    side = (batch["image"] - batch["image"].flip(-1)).flatten(1)
    hand = (side @ side[0]).sign()
    assert set(hand.tolist()) == {-1.0, 1.0}
    truth = to_crop_frame(shard["to_crop"][0], shard["points"][:1])[0]
    mirrored = truth * torch.tensor([1.0, -1.0, 1.0])

    def off(points: torch.Tensor) -> torch.Tensor:
        gaps = batch["points"][:, :8, None] - points[None, None]  # (B, 8, N, 3)
        return gaps.norm(dim=-1).amin(-1).amax(-1)

    assert off(torch.cat([truth, mirrored])).max() < 1e-5
    own = off(truth) < 1e-5
    assert len({(h, o) for h, o in zip(hand.tolist(), own.tolist(), strict=True)}) == 2


def test_shards_of_an_older_generator_are_refused_in_words(shards: Path, tmp_path: Path) -> None:
    old = shutil.copytree(shards, tmp_path / "data")
    (old / "train-00000" / "edges.npy").unlink()
    with pytest.raises(InputError, match=r"training-old-data.*train-00000 lacks edges\.npy"):
        ShardReader(old, "train")
