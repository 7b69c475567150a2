"""S3 that fails for a while is asked again; what no retry can mend is said at once, clearly."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.settings import Settings
from tasks.core.errors import StorageError
from tasks.storage import s3 as module
from tasks.storage.s3 import S3Storage
from tests.support.s3 import (
    SECRET,
    FaultyProxy,
    S3Server,
    filesystem,
    s3_server,
    s3_settings,
)

Open = Callable[..., tuple[S3Storage, FaultyProxy]]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server("bucket") as server:
        yield server


@pytest.fixture
def faulty(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(module, "_PAUSE_S", (0.05, 0.2))
    with contextlib.ExitStack() as stack:

        def opened(
            *script: int | str | tuple[int, str], **settings: float
        ) -> tuple[S3Storage, FaultyProxy]:
            proxy = FaultyProxy(server.port, list(script))
            stack.callback(proxy.stop)
            # short where the service hangs; a slow machine's answers are waited for
            timeout_s = 1 if "hang" in script else 30
            options = {"s3_timeout_s": timeout_s, "s3_attempts": 1, "s3_patience_s": 300}
            options |= settings
            return S3Storage("s3://bucket/root", s3_settings(proxy.endpoint, **options)), proxy

        yield opened


@pytest.mark.parametrize("fault", [500, 503, "reset", "hang"])
def test_a_fault_that_passes_is_not_noticed(faulty: Open, fault: int | str, tmp_path: Path) -> None:
    storage, proxy = faulty(fault, fault)
    storage.write({"a": b"content"})
    assert proxy.script == []
    proxy.script += [fault]
    assert storage.get("a") == b"content"
    proxy.script += [fault]
    assert storage.local("a", tmp_path).read_bytes() == b"content"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_fault_that_stays_is_an_error_that_a_retry_may_mend(faulty: Open) -> None:
    storage, _ = faulty(*[500] * 100, s3_patience_s=0)
    with pytest.raises(StorageError, match="storage-failed") as caught:
        storage.get("a")
    assert caught.value.retryable


@pytest.mark.parametrize(("status", "code"), [(403, "storage-denied"), (404, "storage-missing")])
def test_what_no_retry_mends_is_said_at_once(faulty: Open, status: int, code: str) -> None:
    storage, proxy = faulty(*[status] * 100)
    with pytest.raises(StorageError, match=code) as caught:
        storage.get("a")
    assert not caught.value.retryable
    assert proxy.asked <= 2


@pytest.mark.parametrize(
    "name",
    ["ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed", "SignatureDoesNotMatch"],
)
def test_credentials_that_will_not_do_are_told_at_once(faulty: Open, name: str) -> None:
    """Whoever asks for an object's head is told no code, but the status."""
    status = 403 if name == "SignatureDoesNotMatch" else 400
    storage, proxy = faulty(*[(status, name)] * 100)
    for ask in (lambda: storage.size("a"), lambda: storage.write({"a": b""})):
        with pytest.raises(StorageError, match="storage-denied"):
            ask()
    assert proxy.asked <= 4


@pytest.mark.parametrize("ask", ["size", "mark"])
def test_a_page_in_the_place_of_s3_is_no_object(faulty: Open, ask: str) -> None:
    """As of a proxy that wants somebody to log in: the page would be taken for a film."""
    storage, _ = faulty(*[200] * 100, s3_patience_s=0)
    with pytest.raises(StorageError, match=r"storage-failed.*is not S3") as caught:
        getattr(storage, ask)("a")
    assert caught.value.retryable
    storage.touch("a")


def test_keys_that_are_incomplete_or_missing_are_told_as_that(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    half = s3_settings(server.endpoint, s3_secret_key=None, s3_patience_s=300)
    with pytest.raises(StorageError, match=r"storage-denied.*Partial credentials"):
        S3Storage("s3://bucket/root", half).size("a")
    none = s3_settings(server.endpoint, s3_access_key=None, s3_secret_key=None)
    with pytest.raises(StorageError, match=r"no credentials.*TYRE3D_S3_ACCESS_KEY"):
        S3Storage("s3://bucket/root", none).size("a")


def test_a_bucket_that_is_missing_is_not_taken_for_a_missing_object(server: S3Server) -> None:
    storage = S3Storage("s3://no-such-bucket/root", s3_settings(server.endpoint))
    for ask in (lambda: storage.get("a"), lambda: storage.put_new("a", b"x")):
        with pytest.raises(StorageError, match="no bucket no-such-bucket"):
            ask()


def test_a_service_that_is_away_is_waited_for(faulty: Open, server: S3Server) -> None:
    storage = S3Storage("s3://bucket/root", s3_settings(server.endpoint, s3_patience_s=300))
    storage.write({"kept": b"before"})
    server.go_away()
    back = threading.Event()

    def come_back() -> None:
        back.set()
        server.come_back()

    comes_back = threading.Timer(3.0, come_back)
    comes_back.start()
    assert storage.get("kept") == b"before"
    assert back.is_set()
    comes_back.join()


def test_secrets_are_in_no_log(faulty: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tyre3d")
    storage, _ = faulty(*[503] * 12)
    storage.write({"a": b"x"})
    assert "asking again" in caplog.text
    assert SECRET not in caplog.text


def test_uploads_that_were_never_finished_are_aborted(server: S3Server) -> None:
    bucket = f"bucket-{os.urandom(4).hex()}"
    files = filesystem(server.endpoint)
    files.mkdir(bucket)
    storage = S3Storage(f"s3://{bucket}/prefix", s3_settings(server.endpoint))
    for key in ("prefix/a", "prefix/b", "other/c"):
        files.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
    assert storage.abort_uploads(before=0.0) == 0
    assert storage.abort_uploads(before=time.time() + 3600) == 2
    left = files.call_s3("list_multipart_uploads", Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["other/c"]


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
        S3Storage("s3://bucket", settings).get("a")
    assert caught.value.retryable


DENIED = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:DeleteObject",
    "Resource": "arn:aws:s3:::kept/*",
}


def test_what_may_not_be_deleted_is_told(server: S3Server) -> None:
    """S3 answers 200 to a request that deletes several objects, whatever becomes of each."""
    files = filesystem(server.endpoint)
    files.mkdir("kept")
    storage = S3Storage("s3://kept/root", s3_settings(server.endpoint))
    storage.write({"a/1": b"x", "a/2": b"x", "b": b"x"})
    files.call_s3("put_bucket_policy", Bucket="kept", Policy=json.dumps({"Statement": [DENIED]}))
    with pytest.raises(StorageError, match=r"storage-denied.*not deleted") as caught:
        storage.delete("a")
    assert not caught.value.retryable
    assert storage.keys("a") == ["a/1", "a/2"]
    with pytest.raises(StorageError, match="storage-denied"):
        storage.check_writable("c")
    files.call_s3("delete_bucket_policy", Bucket="kept")
    storage.delete("a")
    assert storage.keys("b") == ["b"]
    assert storage.keys("a") == []
