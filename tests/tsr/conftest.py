from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tsr.system import TSR

GOLDEN = Path(__file__).parent.parent / "golden"


def tiny_config() -> dict[str, Any]:
    """The small model's configuration, as its ``config.yaml`` holds it."""
    config: dict[str, Any] = json.loads((GOLDEN / "tsr_tiny.config.json").read_text())
    config["image_tokenizer"]["vit"] = config.pop("_vit")
    return config


@pytest.fixture(scope="session")
def golden() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "tsr_tiny.golden.safetensors")


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "config.yaml").write_text(json.dumps(tiny_config()))
    weights = GOLDEN / "tsr_tiny.weights.safetensors"
    (folder / "model.safetensors").write_bytes(weights.read_bytes())
    torch.save(load_file(weights), folder / "model.ckpt")
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_dir: Path) -> TSR:
    return TSR.from_pretrained(str(tiny_dir), weight_name="model.safetensors")
