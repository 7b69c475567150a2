"""Loading the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import ModelError
from tasks.network.load import load_model


def test_a_broken_model_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: 1")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="model-unreadable"):
        load_model(tmp_path, "model.safetensors", "x", "cpu")


def test_a_model_is_loaded_once_for_each_digest(tiny_model: Path) -> None:
    model = load_model(tiny_model, "model.safetensors", "digest", "cpu")
    assert load_model(tiny_model, "model.safetensors", "digest", "cpu") is model
    assert load_model(tiny_model, "model.safetensors", "another", "cpu") is not model
