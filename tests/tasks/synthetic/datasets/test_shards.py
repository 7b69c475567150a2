"""Shards are there when they are complete, and those that are missing are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.synthetic.datasets.shards import make_missing_shards, publish_shard


def test_a_shard_is_made_once_and_never_seen_half(tmp_path: Path) -> None:
    folder = tmp_path / "few-00000"
    (tmp_path / ".few-00000.tmp").mkdir()  # what a kill left
    (tmp_path / ".few-00000.tmp/old.npy").write_bytes(b"half")

    def make() -> dict[str, np.ndarray]:
        assert not folder.exists()
        return {"image": np.arange(3)}

    publish_shard(folder, make)
    assert [path.name for path in tmp_path.rglob("*")] == ["few-00000", "image.npy"]
    np.testing.assert_array_equal(np.load(folder / "image.npy"), [0, 1, 2])
    publish_shard(folder, lambda: pytest.fail("made again"))


def test_the_command_gives_every_shard_seeds_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, range]] = []
    arguments = ["shards", str(tmp_path), "--first", "3", "--shards", "2"]
    monkeypatch.setattr("sys.argv", arguments)
    make_missing_shards("About.", "few-", range(100, 108), lambda f, s: made.append((f.name, s)))
    assert made == [("few-00003", range(124, 132)), ("few-00004", range(132, 140))]
