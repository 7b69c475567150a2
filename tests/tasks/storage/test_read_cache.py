"""Copies of remote files: the least recently used go first, never those in use."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.storage import read_cache as module
from tasks.storage.artifacts import ArtifactStore
from tasks.storage.read_cache import ReadCache
from tests.support.memory_storage import MemoryStorage


@pytest.fixture
def cache(tmp_path: Path) -> ReadCache:
    """Four copies of 10 bytes, last used at 100, 200, 300 and 400 seconds; a bound of 25 bytes."""
    for used, name in ((300, "a/3"), (100, "a/1"), (400, "b/4"), (200, "b/2")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"0123456789")
        os.utime(path, (used, used))
    return ReadCache(tmp_path, 25)


def kept(cache: ReadCache) -> list[str]:
    return sorted(p.name for p in cache.folder.rglob("*") if p.is_file())


def test_the_least_recently_used_go_until_the_rest_is_within_the_bound(cache: ReadCache) -> None:
    assert cache.evict(used_before=1000) == 20
    assert kept(cache) == ["3", "4"]
    assert cache.evict(used_before=1000) == 0


def test_what_may_be_in_use_stays_whatever_the_bound(cache: ReadCache) -> None:
    assert cache.evict(used_before=200) == 10
    assert kept(cache) == ["2", "3", "4"]


def test_what_is_found_counts_as_used(cache: ReadCache) -> None:
    path = cache.find("a/1", lambda path: path.stat().st_size == 10)
    assert path == cache.folder / "a/1"
    cache.evict(used_before=1000)
    assert kept(cache) == ["1", "4"]


def test_a_copy_that_a_wrong_clock_dated_ahead_grows_old_from_now_on(cache: ReadCache) -> None:
    """It would stay for years, and take the room of those in use."""
    now = time.time()
    os.utime(cache.folder / "b/4", (now + 1e8, now + 1e8))
    cache.evict()
    assert (cache.folder / "b/4").stat().st_mtime == pytest.approx(now, abs=60)
    ReadCache(cache.folder, 0).evict(used_before=now + 60)
    assert kept(cache) == []


def test_a_copy_that_is_missing_or_does_not_match_is_none(cache: ReadCache) -> None:
    assert cache.find("a/9", lambda _: True) is None
    assert cache.find("a/1", lambda _: False) is None


def test_the_copies_of_a_store_stay_within_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def produce(folder: Path) -> dict[str, Any]:
        (folder / "a.bin").write_bytes(bytes(100))
        return {}

    store = ArtifactStore(MemoryStorage(), tmp_path, read_cache_bytes=250)
    refs = [store.make("stage", f"k{i}", produce) for i in range(6)]
    monkeypatch.setattr(module, "IN_USE_S", -3600.0)  # nothing counts as in use
    for ref in refs:
        assert store.open(ref).files == ("a.bin",)
    copies = [p for p in (tmp_path / "read_cache").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in copies) <= 250
    assert store.intact(refs[0])
