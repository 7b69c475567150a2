"""Weights that cannot be loaded are told from everything else that can go wrong."""

from __future__ import annotations

import builtins
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rembg
from numpy.typing import NDArray

from configs.presets import SEGMENTER
from configs.registry import MODELS
from configs.stages import Precision
from tasks.core.errors import ModelError
from tasks.core.repeatable import compute_repeatably
from tasks.matting.sessions import PREPARATIONS, KnownSession, open_session
from tests.tasks.poses.scene import noise_texture


@contextmanager
def no_file_can_be_opened() -> Iterator[None]:
    """As a process has it that holds as many files as it may."""
    _, most = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(params=["noise", "empty", "missing"])
def no_weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "weights.onnx"
    if request.param != "missing":
        path.write_bytes(os.urandom(1000) if request.param == "noise" else b"")
    return path


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_that_are_none_are_refused_with_the_cause(
    no_weights: Path, precision: Precision
) -> None:
    with pytest.raises(ModelError, match="weights-unreadable") as caught:
        open_session("u2netp", no_weights, precision)
    assert caught.value.__cause__ is not None
    assert str(caught.value.__cause__) in caught.value.what


def test_a_library_that_is_missing_is_not_damaged_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError("libonnxruntime.so: cannot open shared object file")
        return find(name, *args, **kwargs)

    (tmp_path / "weights.onnx").touch()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="cannot open shared object file"):
        open_session("isnet-general-use", tmp_path / "weights.onnx", "fp32")


def test_every_registered_background_model_has_its_preparation() -> None:
    """Without one its weights would be fetched and never used."""
    registered = {entry.name for entry in MODELS.values() if entry.kind == "background"}
    assert {SEGMENTER, *PREPARATIONS} == registered


@pytest.mark.parametrize(
    ("name", "precision"),
    [(SEGMENTER, "fp32"), ("u2netp", "fp32"), ("u2netp", "bf16"), ("isnet-fp16", "fp32")],
)
def test_too_many_open_files_are_not_damaged_weights(
    name: str, precision: Precision, tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"no weights, which nobody learns here")
    with pytest.raises(ModelError):  # what it imports is imported now
        open_session(name, path, precision)
    with no_file_can_be_opened(), pytest.raises(OSError, match="Too many open files"):
        open_session(name, path, precision)


def test_a_session_that_nobody_knows_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ModelError, match="Choose one of tyre-segmenter, u2netp") as caught:
        open_session("u2nett", None)
    assert caught.value.code == "unknown-session"


def test_a_download_with_another_digest_is_no_unknown_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As pooch, which fetches for rembg, refuses it."""

    def damaged(name: str) -> None:
        raise ValueError("MD5 hash of downloaded file (silueta.onnx) does not match")

    monkeypatch.setattr(rembg, "new_session", damaged)
    with pytest.raises(ModelError, match="does not match") as caught:
        open_session("silueta", None)
    assert caught.value.code == "weights-unreadable"


def test_masks_do_not_depend_on_how_many_frames_are_done_at_once() -> None:
    """Each thread of OpenCV takes Intel's routines until it is told not to."""
    compute_repeatably()
    noise = noise_texture(2, 20, 230)
    images = [np.ascontiguousarray(noise[k : k + 301, k : k + 203]) for k in range(4)]

    def network(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x[:, :1]

    alone, beside = (KnownSession("u2netp", network, n).matte(images) for n in (1, 2))
    for one, two in zip(alone, beside, strict=True):
        assert np.array_equal(one.alpha, two.alpha)
