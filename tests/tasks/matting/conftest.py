"""Fixtures for the tests of the segmenter and its network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tasks.matting.tyre_net import TyreNet, folded


def trained_network() -> TyreNet:
    """Random weights, and statistics of random images."""
    torch.manual_seed(0)
    network = TyreNet(norm=True).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, 3, 64, 64))
    return network.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "segmenter.safetensors"
    save_file({k: v.half() for k, v in folded(trained_network()).state_dict().items()}, path)
    return path
