"""One contract for every kind of storage."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import Settings
from tasks.core.errors import StorageError
from tasks.storage.artifacts import sha256_of
from tasks.storage.base import LocalObjects, Objects, storage_errors
from tasks.storage.s3 import S3Objects
from tests.support.memory_storage import MemoryObjects
from tests.support.s3 import filesystem, s3_endpoint, s3_settings


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "memory", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "local":
        return LocalObjects(tmp_path / "root")
    if request.param == "memory":
        return MemoryObjects()
    endpoint = request.getfixturevalue("endpoint")
    bucket = f"bucket-{os.urandom(4).hex()}"
    filesystem(endpoint).mkdir(bucket)
    return S3Objects(f"s3://{bucket}/prefix", s3_settings(endpoint))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(b"content" * 1000)
    return path


def test_what_is_put_can_be_had(objects: Objects, file: Path, tmp_path: Path) -> None:
    objects.put("a/b.bin", file)
    assert objects.get("a/b.bin") == file.read_bytes()
    assert objects.size("a/b.bin") == 7000
    assert objects.local("a/b.bin", tmp_path / "held").read_bytes() == file.read_bytes()


def test_put_replaces(objects: Objects, file: Path) -> None:
    objects.put("a", file)
    file.unlink()
    file.write_bytes(b"new")
    objects.put("a", file)
    assert objects.get("a") == b"new"


@pytest.mark.slow
def test_large_files_go_up_in_parts(objects: Objects, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * 120)
    objects.put("large", large)
    assert objects.size("large") == 120 << 20
    assert sha256_of(objects.local("large", tmp_path / "held")) == sha256_of(large)


def test_write_replaces(objects: Objects) -> None:
    objects.write("f/a.json", b"old")
    objects.write("f/a.json", b"new")
    assert objects.get("f/a.json") == b"new"
    assert objects.keys("f") == ["f/a.json"]


def test_the_first_writer_of_a_new_key_wins(objects: Objects) -> None:
    assert objects.put_new("m/manifest.json", b"first")
    assert not objects.put_new("m/manifest.json", b"second")
    assert objects.get("m/manifest.json") == b"first"


def test_missing_is_none(objects: Objects) -> None:
    assert objects.get("no/such") is None
    assert objects.size("no/such") is None
    assert objects.keys("no") == []


def test_local_of_missing_is_an_error_or_no_file(objects: Objects, tmp_path: Path) -> None:
    if isinstance(objects, LocalObjects):
        assert not objects.local("no/such", tmp_path / "held").exists()
        return
    with pytest.raises(StorageError, match="storage-missing") as caught:
        objects.local("no/such", tmp_path / "held")
    assert not caught.value.retryable


def test_keys_are_those_below_the_prefix(objects: Objects, file: Path) -> None:
    for key in ("p/2", "p/1/x", "q/3", "pp/4"):
        objects.put(key, file)
    assert objects.keys("p") == ["p/1/x", "p/2"]


def test_delete_takes_all_below(objects: Objects, file: Path) -> None:
    for key in ("p/2", "p/1/x", "q/3"):
        objects.put(key, file)
    objects.delete("p")
    objects.delete("p")
    assert objects.keys("p") == []
    objects.delete("q/3")
    assert objects.get("q/3") is None


def test_uploads_that_were_never_finished_are_aborted(endpoint: str) -> None:
    bucket = f"bucket-{os.urandom(4).hex()}"
    files = filesystem(endpoint)
    files.mkdir(bucket)
    objects = S3Objects(f"s3://{bucket}/prefix", s3_settings(endpoint))
    for key in ("prefix/a", "prefix/b", "other/c"):
        files.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
    assert objects.abort_uploads(before=0.0) == 0
    assert objects.abort_uploads(before=time.time() + 3600) == 2
    left = files.call_s3("list_multipart_uploads", Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["other/c"]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../../b", "a\\..\\b", "a\0b"])
def test_keys_that_escape_are_refused(objects: Objects, file: Path, key: str) -> None:
    with pytest.raises(StorageError, match="storage-key"):
        objects.put(key, file)
    with pytest.raises(StorageError, match="storage-key"):
        objects.get(key)


def test_secrets_are_not_shown(objects: Objects) -> None:
    assert "very-secret" not in repr(vars(objects).get("root")) + repr(objects)


def test_unreachable_storage_may_be_tried_again(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "s3_endpoint_url": "http://127.0.0.1:9",
            "s3_access_key": "key",
            "s3_secret_key": "secret",
            "s3_timeout_s": 1,
            "s3_attempts": 1,
            "s3_patience_s": 0,
        }
    )
    with pytest.raises(StorageError) as caught:
        S3Objects("s3://bucket", settings).get("a")
    assert caught.value.retryable


def test_a_full_disk_is_told_from_other_faults() -> None:
    with pytest.raises(StorageError, match="disk-full") as caught, storage_errors("x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not caught.value.retryable
    with pytest.raises(StorageError, match="storage-failed") as caught, storage_errors("x"):
        raise OSError(errno.EIO, "Input/output error")
    assert caught.value.retryable


def test_nothing_half_written_is_left_locally(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    with pytest.raises(StorageError):
        objects.put("a/b", tmp_path / "no-such-file")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
