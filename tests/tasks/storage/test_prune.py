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
from tasks.storage.prune import BEGAN_AT, IN_USE_S, Pruned, prune
from tests.support.memory_storage import MemoryStorage

DAY = 86400.0
NOW = BEGAN_AT + 1000 * DAY
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
    storage.used_at["cas/stage/half/0123/file"] = NOW - 40 * DAY
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
    reader = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    found = reader.find("stage", "read")
    assert found is not None
    assert reader.intact(found)
    del reader
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
        reader = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
        found = reader.find("stage", "a")
        assert found is not None
        assert reader.intact(found)
        del reader
    assert prune(store, now + IN_USE_S + 60, older_than_s=30 * DAY).artifacts == 0


@pytest.mark.parametrize("ahead_s", [8 * DAY, 3000 * DAY])
def test_a_clock_that_is_ahead_makes_nothing_old(store: ArtifactStore, ahead_s: float) -> None:
    """By it the latest use of anything at all was long ago."""
    for sizes in ({"older_than_s": 3600.0}, {"keep_size": 0.0}):
        told = prune(store, NOW + ahead_s, **sizes)
        assert (told.artifacts, told.kept) == (0, 4)
        assert told.quiet_s == pytest.approx(ahead_s + DAY / 24)
        (remark,) = told.remarks
        assert f"nothing was used for {round(told.quiet_s / DAY)} days" in remark
    assert left(store) == set(USED)
    assert prune(store, NOW + ahead_s, older_than_s=3600.0, force=True).artifacts == 4


@pytest.mark.parametrize("cannot_be", [0.0, BEGAN_AT - 1, NOW + 2 * DAY, NOW + 3000 * DAY])
def test_what_was_used_at_a_time_that_cannot_be_is_told_and_stays(
    storage: MemoryStorage, store: ArtifactStore, cannot_be: float
) -> None:
    storage.used_at["cas/stage/oldest/manifest.json"] = cannot_be
    told = prune(store, NOW, older_than_s=5 * DAY, keep_size=0.0)
    assert left(store) == {"oldest", "used"}
    assert (told.artifacts, told.impossible) == (2, 1)
    assert "1 artifact was last used at a time that cannot be" in told.remarks[0]
    assert prune(store, NOW, older_than_s=5 * DAY, force=True).artifacts == 1
    assert left(store) == {"used"}


def test_what_a_job_uses_stays_whatever_its_age(tmp_path: Path) -> None:
    """A clock that leaps while a job runs makes the job's own artifacts look old."""
    store = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    for key in ("of a job", "of nobody"):
        make(store, key)
    job = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    found = job.find("stage", "of a job")
    assert found is not None
    job.open(found)
    leapt = time.time() + 3000 * DAY
    told = prune(store, leapt, older_than_s=DAY, keep_size=0.0, dry_run=True, force=True)
    assert prune(store, leapt, older_than_s=DAY, keep_size=0.0, force=True) == told
    assert (told.artifacts, told.in_use) == (1, 1)
    assert left(store) == {"of a job"}
    assert job.intact(found)
    del job
    assert prune(store, leapt, older_than_s=DAY, force=True).artifacts == 1


def handles() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_store_holds_on_to_a_bounded_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that looks at many tyres, an evaluation, does not run out of handles."""
    monkeypatch.setattr(local, "_MAX_LOCKED", 3)
    storage = LocalStorage(tmp_path)
    storage.write({f"{i}/a": b"x" for i in range(10)})
    before = handles()
    for _ in range(2):
        for i in range(10):
            storage.touch(f"{i}/a")
    assert handles() == before + 3
    assert [i for i in range(10) if storage.in_use(f"{i}/a")] == [7, 8, 9]
    storage.delete("7")
    storage.delete("8/a")
    assert handles() == before + 1  # NFS would keep what is open, and the folder with it
    del storage
    assert handles() == before
