"""Artifacts: complete, unchanged, never mixed."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import StorageError
from tasks.storage.artifacts import ArtifactRef, ArtifactStore
from tasks.storage.base import storage_errors
from tasks.storage.local import LocalStorage
from tests.support.memory_storage import MemoryStorage


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    storage = LocalStorage(tmp_path / "root") if request.param == "local" else MemoryStorage()
    return ArtifactStore(storage, tmp_path / "scratch")


def make(store: ArtifactStore, key: str = "k", text: str = "hello") -> ArtifactRef:
    def produce(folder: Path) -> dict[str, Any]:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text(text)
        (folder / "b.txt").write_text("b")
        return {"n": 1}

    return store.make("stage", key, produce)


def test_made_once_and_read_back(store: ArtifactStore) -> None:
    ref = make(store)
    again = store.make("stage", "k", lambda _: pytest.fail("made twice"))
    assert again == ref
    assert ref.size == 6
    artifact = store.open(ref)
    assert artifact.record == {"n": 1}
    assert (artifact.folder / "sub/a.txt").read_text() == "hello"
    assert store.intact(ref)


def test_how_long_it_took_is_told_and_is_no_part_of_it(
    store: ArtifactStore, tmp_path: Path
) -> None:
    def slowly(folder: Path) -> dict[str, Any]:
        time.sleep(0.05)
        (folder / "a.txt").write_text("a")
        return {}

    ref = store.make("stage", "k", slowly)
    taken = store.seconds_to_make(ref)
    assert taken is not None
    assert taken >= 0.05
    assert store.make("stage", "k", lambda _: pytest.fail("made twice")) == ref
    assert store.seconds_to_make(ref) == taken
    elsewhere = ArtifactStore(MemoryStorage(), tmp_path / "elsewhere")
    published = elsewhere.publish("stage", "k", store.open(ref).folder, {})
    assert (published.sha256, published.size) == (ref.sha256, ref.size), "it has no digest"
    assert elsewhere.seconds_to_make(published) is None, "as of artifacts of earlier releases"
    store.discard("stage", "k")
    assert store.seconds_to_make(ref) is None


def test_a_record_is_read_without_the_files(tmp_path: Path) -> None:
    store = ArtifactStore(LocalStorage(tmp_path / "store"), tmp_path / "scratch")
    ref = make(store)
    next((tmp_path / "store").rglob("a.txt")).unlink()
    assert store.record(ref) == {"n": 1}
    assert not store.intact(ref)
    next((tmp_path / "store").rglob("manifest.json")).write_text("{}")
    with pytest.raises(StorageError, match="artifact-damaged"):
        store.record(ref)


def test_same_content_has_the_same_reference(tmp_path: Path) -> None:
    one = make(ArtifactStore(MemoryStorage(), tmp_path / "1"))
    two = make(ArtifactStore(MemoryStorage(), tmp_path / "2"))
    assert one == two


def test_a_second_writer_of_other_content_gets_the_first_one(
    store: ArtifactStore, tmp_path: Path
) -> None:
    first = make(store)
    folder = tmp_path / "late"
    folder.mkdir()
    (folder / "b.txt").write_text("other")
    assert store.publish("stage", "k", folder, {"n": 2}) == first
    assert store.intact(first)


def test_failure_leaves_nothing(store: ArtifactStore) -> None:
    def produce(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("x")
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        store.make("stage", "k", produce)
    assert store.find("stage", "k") is None


@pytest.mark.parametrize("damage", ["change", "truncate", "delete", "manifest"])
def test_damage_is_noticed_and_made_again(tmp_path: Path, damage: str) -> None:
    store = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    ref = make(store)
    path = store.open(ref).folder / "sub/a.txt"
    if damage == "change":
        path.write_text("jello")
    elif damage == "truncate":
        path.write_text("hell")
    elif damage == "delete":
        path.unlink()
    else:
        (tmp_path / "root/cas/stage/k/manifest.json").unlink()
    assert not store.intact(ref)
    with pytest.raises(StorageError, match="artifact-damaged"):
        store.open(ref)
    assert make(store) == ref
    assert store.intact(ref)


def test_a_copy_here_does_not_hide_what_other_machines_lack(tmp_path: Path) -> None:
    storage = MemoryStorage()
    here, there = (ArtifactStore(storage, tmp_path / name) for name in ("here", "there"))
    ref = make(here)
    assert here.intact(ref)
    (key,) = (k for k in storage.content if k.endswith("a.txt"))
    del storage.content[key]
    assert not here.intact(ref)
    assert make(here) == ref
    assert there.intact(ref)


def test_damage_that_copies_hide_shows_where_they_are_read_anew(tmp_path: Path) -> None:
    storage = MemoryStorage()
    here, there = (ArtifactStore(storage, tmp_path / name) for name in ("here", "there"))
    ref = make(here)
    assert here.intact(ref)
    (key,) = (k for k in storage.content if k.endswith("a.txt"))
    storage.content[key] = b"hellO"
    assert here.intact(ref)
    assert not here.intact(ref, afresh=True)
    assert not here.intact(ref)
    assert make(here) == ref
    assert there.intact(ref)


def _edited(manifest: bytes) -> bytes:
    """Sound JSON that says something else of the artifact."""
    told = json.loads(manifest)
    return json.dumps({**told, "record": {"n": 2}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"no JSON",
        b"\xff\xfe\x00",
        b'{"folder": "x", "files": [], "record": {}}',
        b"[" * 100_000,
        lambda manifest: manifest[: len(manifest) // 2],
        lambda manifest: manifest.replace(b'"n":1', b'"n":3'),
        _edited,
    ],
)
def test_a_damaged_manifest_is_made_again(
    store: ArtifactStore, content: bytes | Callable[[bytes], bytes]
) -> None:
    ref = make(store)
    storage = store._storage
    name = "cas/stage/k/manifest.json"
    sound = storage.get(name)
    assert sound is not None
    damaged = content if isinstance(content, bytes) else content(sound)
    storage.write({name: damaged})
    assert store.find("stage", "k") is None
    assert not store.intact(ref)
    assert make(store) == ref
    assert store.open(ref).record == {"n": 1}
    assert storage.get(name) == sound


@pytest.mark.parametrize("position", range(0, 200, 7))
def test_no_flipped_bit_of_a_manifest_goes_unnoticed(tmp_path: Path, position: int) -> None:
    store = ArtifactStore(LocalStorage(tmp_path / "root"), tmp_path / "scratch")
    ref = make(store)
    path = tmp_path / "root/cas/stage/k/manifest.json"
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << (position % 8)
    path.write_bytes(content)
    assert make(store) == ref
    assert store.intact(ref)


def test_a_full_disk_does_not_cost_a_sound_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = MemoryStorage()
    ref = make(ArtifactStore(storage, tmp_path / "1"))

    def full(key: str, folder: Path) -> Path:
        with storage_errors(key):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "local", full)
    elsewhere = ArtifactStore(storage, tmp_path / "2")
    with pytest.raises(StorageError, match="disk-full"):
        elsewhere.make("stage", "k", lambda _: pytest.fail("made twice"))
    assert elsewhere.find("stage", "k") == ref


def test_references_to_elsewhere_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(StorageError, match="artifact-damaged"):
        store.open(ArtifactRef("/etc/cas/x/y/manifest.json", "0" * 64, 1))
