"""A model's files in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tsr.errors import WeightsError
from tsr.system import TSR


def test_weights_that_do_not_fit_are_refused(tiny_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((tiny_dir / "config.yaml").read_text())
    with pytest.raises(WeightsError, match="no such file"):
        TSR.from_pretrained(str(tmp_path))
    (tmp_path / "model.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="no readable weights"):
        TSR.from_pretrained(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="no readable weights"):
        TSR.from_pretrained(str(tmp_path), weight_name="model.safetensors")
    state = load_file(tiny_dir / "model.safetensors")
    state["surplus"] = torch.zeros(1)
    torch.save(state, tmp_path / "model.ckpt")
    with pytest.raises(WeightsError, match="surplus"):
        TSR.from_pretrained(str(tmp_path))
    torch.save([1, 2], tmp_path / "model.ckpt")
    with pytest.raises(WeightsError, match="plain state dict"):
        TSR.from_pretrained(str(tmp_path))


def test_half_precision_weights_load_as_float32(tiny_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((tiny_dir / "config.yaml").read_text())
    state = load_file(tiny_dir / "model.safetensors")
    save_file({k: v.half() for k, v in state.items()}, tmp_path / "model.safetensors")
    model = TSR.from_pretrained(str(tmp_path), weight_name="model.safetensors")
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_folder_with_safetensors_alone_needs_no_file_name(tiny_dir: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "model.safetensors"):
        (tmp_path / name).write_bytes((tiny_dir / name).read_bytes())
    assert TSR.from_pretrained(str(tmp_path)).cfg.cond_image_size > 0
