"""Errors of the operating system become errors with a code, their words kept."""

from __future__ import annotations

import errno
import os

import pytest

from tasks.core.errors import StorageError
from tasks.storage.base import storage_errors


@pytest.mark.parametrize(
    ("number", "code", "retryable"),
    [
        (errno.ENOSPC, "disk-full", False),
        (errno.EDQUOT, "disk-full", False),
        (errno.EACCES, "storage-denied", False),
        (errno.EROFS, "storage-denied", False),
        (errno.ENOTDIR, "storage-path", False),
        (errno.EISDIR, "storage-path", False),
        (errno.ENAMETOOLONG, "storage-path", False),
        (errno.EIO, "storage-failed", True),
    ],
)
def test_a_full_disk_is_told_from_others(number: int, code: str, retryable: bool) -> None:
    cause = OSError(number, os.strerror(number))
    with pytest.raises(StorageError, match=code) as caught, storage_errors("/data/x"):
        raise cause
    assert caught.value.retryable == retryable
    assert caught.value.__cause__ is cause
    assert os.strerror(number) in caught.value.what
    assert "/data/x" in caught.value.what


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        (PermissionError(errno.EACCES, "no", "/data/x"), "Let this user read and write there"),
        (PermissionError("AccessDenied"), "Check rights and credentials"),  # as of S3's client
    ],
)
def test_who_may_not_write_to_a_disk_is_not_sent_to_look_for_credentials(
    cause: OSError, advice: str
) -> None:
    with pytest.raises(StorageError, match="storage-denied") as caught, storage_errors("/data/x"):
        raise cause
    assert caught.value.advice.startswith(advice)
    assert "/data/x" in caught.value.what
