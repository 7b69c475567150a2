"""S3 that fails for a while is asked again; what no retry can mend is said at once, clearly."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.core.errors import StorageError
from tasks.storage import s3 as module
from tasks.storage.s3 import S3Objects
from tests.support.s3 import SECRET, FaultyProxy, S3Server, s3_server, s3_settings

Open = Callable[..., tuple[S3Objects, FaultyProxy]]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server("bucket") as server:
        yield server


@pytest.fixture
def faulty(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(module, "_PAUSE_S", (0.05, 0.2))
    with contextlib.ExitStack() as stack:

        def opened(*script: int | str, **settings: float) -> tuple[S3Objects, FaultyProxy]:
            proxy = FaultyProxy(server.port, list(script))
            stack.callback(proxy.stop)
            options = {"s3_timeout_s": 1, "s3_attempts": 1, "s3_patience_s": 20, **settings}
            return S3Objects("s3://bucket/root", s3_settings(proxy.endpoint, **options)), proxy

        yield opened


@pytest.mark.parametrize("fault", [500, 503, "reset", "hang"])
def test_a_fault_that_passes_is_not_noticed(faulty: Open, fault: int | str, tmp_path: Path) -> None:
    objects, proxy = faulty(fault, fault)
    objects.write("a", b"content")
    assert proxy.script == []
    proxy.script += [fault]
    assert objects.get("a") == b"content"
    proxy.script += [fault]
    assert objects.local("a", tmp_path).read_bytes() == b"content"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_fault_that_stays_is_an_error_that_a_retry_may_mend(faulty: Open) -> None:
    objects, _ = faulty(*[500] * 100, s3_patience_s=0)
    with pytest.raises(StorageError, match="storage-failed") as caught:
        objects.get("a")
    assert caught.value.retryable


@pytest.mark.parametrize(("status", "code"), [(403, "storage-denied"), (404, "storage-missing")])
def test_what_no_retry_mends_is_said_at_once(faulty: Open, status: int, code: str) -> None:
    objects, proxy = faulty(*[status] * 100)
    with pytest.raises(StorageError, match=code) as caught:
        objects.get("a")
    assert not caught.value.retryable
    assert proxy.asked <= 2


def test_a_bucket_that_is_missing_is_not_taken_for_a_missing_object(server: S3Server) -> None:
    objects = S3Objects("s3://no-such-bucket/root", s3_settings(server.endpoint))
    for ask in (lambda: objects.get("a"), lambda: objects.put_new("a", b"x")):
        with pytest.raises(StorageError, match="no bucket no-such-bucket"):
            ask()


def test_a_service_that_is_away_is_waited_for(faulty: Open, server: S3Server) -> None:
    objects = S3Objects("s3://bucket/root", s3_settings(server.endpoint, s3_patience_s=60))
    objects.write("kept", b"before")
    server.go_away()
    comes_back = threading.Timer(3.0, server.come_back)
    comes_back.start()
    started = time.monotonic()
    assert objects.get("kept") == b"before"
    assert time.monotonic() - started > 1
    comes_back.join()


def test_secrets_are_in_no_log(faulty: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tyre3d")
    objects, _ = faulty(*[503] * 12)
    objects.write("a", b"x")
    assert "asking again" in caplog.text
    assert SECRET not in caplog.text
