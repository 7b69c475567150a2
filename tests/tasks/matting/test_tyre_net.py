"""The segmenter's network: as it is trained, as it is used, and as it is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tasks.matting.tyre_net import TyreNet, folded, load_tyre_net, normalised, unfolded
from tests.tasks.matting.conftest import trained_network


def test_the_network_that_is_used_is_the_one_that_was_trained() -> None:
    network = trained_network()
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = network(images)
        torch.testing.assert_close(folded(network)(images), expected, rtol=1e-4, atol=1e-4)
        assert expected.std() > 0.05
    TyreNet().load_state_dict(folded(network).state_dict())


def test_training_goes_on_from_weights_that_are_used() -> None:
    plain = folded(trained_network())
    images = torch.randn(4, 3, 64, 96)
    network = unfolded(plain, images)
    with torch.no_grad():
        expected = plain(images)
        torch.testing.assert_close(network.eval()(images), expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(network.train()(images), expected, rtol=1e-3, atol=1e-3)


def test_logits_come_at_half_size(weights: Path) -> None:
    network = load_tyre_net(weights)
    images = normalised(torch.randint(0, 255, (2, 64, 96, 3), dtype=torch.uint8))
    assert images.shape == (2, 3, 64, 96)
    assert network(images).shape == (2, 3, 32, 48)


def test_another_network_is_refused(tmp_path: Path, weights: Path) -> None:
    path = tmp_path / "segmenter.safetensors"
    with pytest.raises(ValueError, match="No such file"):
        load_tyre_net(path)
    path.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="header"):
        load_tyre_net(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="stem"):
        load_tyre_net(path)
