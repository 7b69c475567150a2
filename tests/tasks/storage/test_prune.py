"""Old artifacts go, the least recently used first, and none that may be in use."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.storage import local
from tasks.storage.artifacts import ArtifactStore
from tasks.storage.local import LocalStorage
from tasks.storage.prune import IN_USE_S, Pruned, prune
from tests.support.memory_storage import MemoryStorage

DAY = 86400.0
NOW = 1000 * DAY
USED = {"new": 1.0, "older": 10.0, "oldest": 40.0, "used": 1 / 24}
"""Days ago."""


def make(store: ArtifactStore, key: str, size: int = 1000) -> None:
    def produce(folder: Path) -> dict[str, Any]:
        (folder / "file").write_bytes(bytes(size))
        return {"key": key}

    store.make("stage", key, produce)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def store(storage: MemoryStorage, tmp_path: Path) -> ArtifactStore:
    """Artifacts last used 1, 10 and 40 days ago, and an hour ago."""
    store = ArtifactStore(storage, tmp_path)
    for key, days in USED.items():
        make(store, key)
        storage.used_at[f"cas/stage/{key}/manifest.json"] = NOW - days * DAY
    return store


def left(store: ArtifactStore) -> set[str]:
    return {o.key.split("/")[2] for o in store.stored()}


def test_those_go_that_were_not_used_for_long(store: ArtifactStore) -> None:
    told = prune(store, NOW, older_than_s=30 * DAY, dry_run=True)
    assert (told.artifacts, told.kept) == (1, 3)
    assert left(store) == {"new", "older", "oldest", "used"}
    assert prune(store, NOW, older_than_s=30 * DAY) == told
    assert left(store) == {"new", "older", "used"}
    assert prune(store, NOW, older_than_s=30 * DAY) == Pruned(0, 0, 3, told.kept_size)


def test_the_least_recently_used_go_until_the_rest_fits(store: ArtifactStore) -> None:
    whole = prune(store, NOW).kept_size
    one = whole / 4
    assert prune(store, NOW, keep_size=2.5 * one).artifacts == 2
    assert left(store) == {"new", "used"}


def test_what_may_be_in_use_stays(store: ArtifactStore) -> None:
    told = prune(store, NOW, older_than_s=0, keep_size=0)
    assert (told.artifacts, told.kept) == (3, 1)
    assert left(store) == {"used"}


def test_reading_is_use(storage: MemoryStorage, store: ArtifactStore) -> None:
    found = store.find("stage", "oldest")
    assert found is not None
    storage.touched.clear()
    store.open(found)
    assert storage.touched == ["cas/stage/oldest/manifest.json"]


def test_what_was_never_finished_goes_too(storage: MemoryStorage, store: ArtifactStore) -> None:
    storage.write({"cas/stage/half/0123/file": b"x"})
    assert prune(store, NOW, older_than_s=30 * DAY).artifacts == 2
    assert "half" not in left(store)


def test_on_a_disk_use_is_noted_without_a_change(tmp_path: Path) -> None:
    store = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    now = time.time()
    for key in ("read", "unread"):
        make(store, key)
        for path in (tmp_path / "root" / "cas" / "stage" / key).rglob("*"):
            os.utime(path, (now - 40 * DAY, now - 40 * DAY))
    manifest = tmp_path / "root" / "cas" / "stage" / "read" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    found = store.find("stage", "read")
    assert found is not None
    assert store.intact(found)
    assert manifest.stat().st_mtime_ns == before
    assert prune(store, now + IN_USE_S + 60, older_than_s=30 * DAY).artifacts == 1
    assert left(store) == {"read"}
    make(store, "unread")
    assert left(store) == {"read", "unread"}


@pytest.mark.parametrize("now", [0.0, NOW - DAY - 3600.0])
def test_a_clock_that_was_set_back_deletes_nothing_in_use(
    storage: MemoryStorage, store: ArtifactStore, now: float
) -> None:
    """What looks as if it were from the future stays, however small the store is to be."""
    prune(store, now, older_than_s=0.0, keep_size=0.0)
    from_the_future = {key for key, days in USED.items() if NOW - days * DAY > now}
    assert from_the_future <= left(store)
    assert now > 0.0 or left(store) == set(USED)


def test_a_clock_a_day_ahead_deletes_what_is_a_day_too_young_and_no_more(
    store: ArtifactStore,
) -> None:
    assert prune(store, NOW + DAY, older_than_s=30 * DAY).artifacts == 1
    assert left(store) == {"new", "older", "used"}


def test_a_use_under_a_clock_of_1970_does_not_make_it_look_unused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    make(store, "a")
    now = time.time()
    manifest = tmp_path / "root" / "cas" / "stage" / "a" / "manifest.json"
    os.utime(manifest, (now, now - 40 * DAY))
    with monkeypatch.context() as wrong:
        wrong.setattr(local.time, "time_ns", lambda: 0)
        found = store.find("stage", "a")
        assert found is not None
        assert store.intact(found)
    assert prune(store, now + IN_USE_S + 60, older_than_s=30 * DAY).artifacts == 0
