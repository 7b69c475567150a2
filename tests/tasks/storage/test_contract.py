"""One contract for every kind of storage."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tasks.core.digests import sha256_of
from tasks.core.errors import StorageError
from tasks.storage.base import Storage
from tasks.storage.local import LocalStorage
from tasks.storage.s3 import S3Storage
from tests.support.memory_storage import MemoryStorage
from tests.support.s3 import filesystem, s3_settings


@pytest.fixture(params=["local", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "root")
    if request.param == "memory":
        return MemoryStorage()
    endpoint = request.getfixturevalue("endpoint")
    bucket = f"bucket-{os.urandom(4).hex()}"
    filesystem(endpoint).mkdir(bucket)
    return S3Storage(f"s3://{bucket}/prefix", s3_settings(endpoint))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(b"content" * 1000)
    return path


def test_what_is_put_can_be_had(storage: Storage, file: Path, tmp_path: Path) -> None:
    storage.put("a/b.bin", file)
    assert storage.get("a/b.bin") == file.read_bytes()
    assert storage.size("a/b.bin") == 7000
    assert storage.local("a/b.bin", tmp_path / "copies").read_bytes() == file.read_bytes()


def test_put_replaces(storage: Storage, file: Path) -> None:
    storage.put("a", file)
    file.unlink()
    file.write_bytes(b"new")
    storage.put("a", file)
    assert storage.get("a") == b"new"


@pytest.mark.slow
def test_large_files_go_up_in_parts(storage: Storage, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * 120)
    storage.put("large", large)
    assert storage.size("large") == 120 << 20
    assert sha256_of(storage.local("large", tmp_path / "copies")) == sha256_of(large)


def test_write_replaces(storage: Storage) -> None:
    storage.write({"f/a.json": b"old"})
    storage.write({"f/a.json": b"new"})
    assert storage.get("f/a.json") == b"new"
    assert storage.keys("f") == ["f/a.json"]


def test_the_first_writer_of_a_new_key_wins(storage: Storage) -> None:
    assert storage.put_new("m/manifest.json", b"first")
    assert not storage.put_new("m/manifest.json", b"second")
    assert storage.get("m/manifest.json") == b"first"


def test_missing_is_none(storage: Storage) -> None:
    assert storage.get("no/such") is None
    assert storage.size("no/such") is None
    assert storage.keys("no") == []


def test_local_of_missing_is_an_error_or_no_file(storage: Storage, tmp_path: Path) -> None:
    if isinstance(storage, LocalStorage):
        assert not storage.local("no/such", tmp_path / "copies").exists()
        return
    with pytest.raises(StorageError, match="storage-missing") as caught:
        storage.local("no/such", tmp_path / "copies")
    assert not caught.value.retryable


def test_keys_are_those_below_the_prefix(storage: Storage, file: Path) -> None:
    for key in ("p/2", "p/1/x", "q/3", "pp/4"):
        storage.put(key, file)
    assert storage.keys("p") == ["p/1/x", "p/2"]


def test_delete_takes_all_below(storage: Storage, file: Path) -> None:
    for key in ("p/2", "p/1/x", "q/3"):
        storage.put(key, file)
    storage.delete("p")
    storage.delete("p")
    assert storage.keys("p") == []
    storage.delete("q/3")
    assert storage.get("q/3") is None


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../../b", "a\\..\\b", "a\0b"])
def test_keys_that_escape_are_refused(storage: Storage, file: Path, key: str) -> None:
    with pytest.raises(StorageError, match="storage-key"):
        storage.put(key, file)
    with pytest.raises(StorageError, match="storage-key"):
        storage.get(key)


def test_secrets_are_not_shown(storage: Storage) -> None:
    assert "very-secret" not in repr(vars(storage).get("root")) + repr(storage)


def test_several_files_are_written_by_one_call(storage: Storage) -> None:
    storage.write({"f/a": b"1", "f/b": b"2"})
    assert storage.keys("f") == ["f/a", "f/b"]


def test_the_mark_follows_the_content(storage: Storage) -> None:
    assert storage.mark("no/such") is None
    storage.write({"a": b"one"})
    first = storage.mark("a")
    assert first is not None
    assert first == storage.mark("a")
    storage.write({"a": b"two"})
    assert storage.mark("a") != first


def test_a_browser_is_led_to_what_has_a_web_address(storage: Storage) -> None:
    storage.write({"a b/tyre.html": b"<p>"})
    address = storage.web_address("a b/tyre.html", "text/html")
    if not storage.root.startswith("s3://"):
        assert address is None
        return
    assert address is not None
    answer = httpx.get(address)
    assert (answer.status_code, answer.content) == (200, b"<p>")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_others_store_what_they_have_an_address_for(storage: Storage) -> None:
    address = storage.upload_address("uploads/a b.mp4", 5, 60)
    if not storage.root.startswith("s3://"):
        assert address is None
        return
    assert address is not None
    assert "content-length" in parse_qs(urlsplit(address).query)["X-Amz-SignedHeaders"][0]
    assert storage.get("uploads/a b.mp4") is None
    assert httpx.put(address, content=b"video").status_code == 200
    assert storage.get("uploads/a b.mp4") == b"video"


def test_what_can_be_written_is_checked_without_a_trace(storage: Storage) -> None:
    storage.check_writable("f/a")
    assert storage.keys("f") == []
    assert storage.get("f/a") is None


def test_an_object_or_the_chosen_ones_of_a_prefix_come_here(
    storage: Storage, tmp_path: Path
) -> None:
    storage.write({f"frames/{name}": b"x" for name in ("1.png", "2.PNG", "n.txt", "sub/3.png")})
    storage.write({"video.mp4": b"moving"})
    assert storage.local_tree("video.mp4", tmp_path / "1", (".png",)).read_bytes() == b"moving"
    folder = storage.local_tree("frames", tmp_path / "2", (".png",))
    images = {p.name for p in folder.iterdir() if p.is_file() and p.suffix.lower() == ".png"}
    assert images == {"1.png", "2.PNG"}
    assert not storage.local_tree("nothing", tmp_path / "3", (".png",)).exists()


def test_a_name_with_a_backslash_is_no_escape(storage: Storage) -> None:
    storage.write({"a\\b": b"x"})
    assert storage.get("a\\b") == b"x"


def test_objects_are_listed_with_size_and_use(storage: Storage) -> None:
    storage.write({"a/one": b"1", "a/b/two": b"22", "other": b"333"})
    listed = storage.listing("a")
    assert [(o.key, o.size) for o in listed] == [("a/b/two", 2), ("a/one", 1)]
    assert storage.listing("none") == []
    storage.touch("a/one")
    storage.touch("none")
    assert storage.get("a/one") == b"1"
    assert storage.get("none") is None
    assert not storage.in_use("none")
