"""Weights that cannot be loaded are told from everything else that can go wrong."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import pytest

from configs.presets import SEGMENTER
from configs.registry import MODELS
from configs.stages import Precision
from tasks.core.errors import ModelError
from tasks.matting.sessions import PREPARATIONS, open_session


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

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="cannot open shared object file"):
        open_session("isnet-general-use", tmp_path / "weights.onnx", "fp32")


def test_every_registered_background_model_has_its_preparation() -> None:
    """Without one its weights would be fetched and never used."""
    registered = {entry.name for entry in MODELS.values() if entry.kind == "background"}
    assert {SEGMENTER, *PREPARATIONS} == registered
