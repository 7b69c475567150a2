"""The image encoder against transformers' ViT, whose module names are mapped."""

from __future__ import annotations

import re

import pytest
import torch

from tsr.config import ViTConfig
from tsr.network.vit import ViT

SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 96,
    "image_size": 64,
    "layer_norm_eps": 1e-12,
}
NAMES = [  # of transformers 5
    (r"^layers\.(\d+)\.attention\.o_proj\.", r"encoder.layer.\1.attention.output.dense."),
    (r"^layers\.(\d+)\.attention\.q_proj\.", r"encoder.layer.\1.attention.attention.query."),
    (r"^layers\.(\d+)\.attention\.k_proj\.", r"encoder.layer.\1.attention.attention.key."),
    (r"^layers\.(\d+)\.attention\.v_proj\.", r"encoder.layer.\1.attention.attention.value."),
    (r"^layers\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1.intermediate.dense."),
    (r"^layers\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1.output.dense."),
    (r"^layers\.(\d+)\.", r"encoder.layer.\1."),
]


def renamed(name: str) -> str:
    for pattern, replacement in NAMES:
        new, count = re.subn(pattern, replacement, name)
        if count:
            return new
    return name


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_agrees_with_transformers(qkv_bias: bool) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    oracle = transformers.ViTModel(
        transformers.ViTConfig(**SIZES, patch_size=16, qkv_bias=qkv_bias)
    ).eval()
    for parameter in oracle.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model = ViT(ViTConfig(**SIZES, patch_size=16, qkv_bias=qkv_bias))  # type: ignore[arg-type]
    model.load_state_dict({renamed(k): v for k, v in oracle.state_dict().items()})
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = oracle(pixels).last_hidden_state
        torch.testing.assert_close(model(pixels), expected, atol=1e-4, rtol=1e-4)


def test_positions_are_interpolated_by_a_factor() -> None:
    model = ViT(ViTConfig(**SIZES))  # type: ignore[arg-type]
    positions = model.embeddings.positions(96, 80)
    assert positions.shape == (1, 1 + 6 * 5, 48)
    torch.testing.assert_close(positions[:, 0], model.embeddings.position_embeddings[:, 0])
