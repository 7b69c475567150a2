"""The network has the published shapes and takes a checkpoint completely."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.poses.features.xfeat import XFeat, load_xfeat


def test_outputs_have_the_published_shapes_and_ranges() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        descriptors, probability, reliability = XFeat().eval()(torch.randn(2, 1, 64, 96))
    assert descriptors.shape == (2, 64, 8, 12)
    assert probability.shape == (2, 1, 64, 96)
    assert reliability.shape == (2, 1, 8, 12)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2, 8, 12))
    cells = torch.nn.functional.avg_pool2d(probability, 8) * 64
    assert torch.all(cells < 1.0)  # the rest is the probability of no key point
    assert torch.all((reliability > 0) & (reliability < 1))


def test_a_checkpoint_is_read_but_for_the_dense_matcher(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = XFeat().eval()
    state = {**network.state_dict(), "fine_matcher.0.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "xfeat.pt")
    x = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        for ours, theirs in zip(load_xfeat(tmp_path / "xfeat.pt")(x), network(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    del state["block3.1.layer.0.weight"]
    torch.save(state, tmp_path / "lacking.pt")
    with pytest.raises(ValueError, match="block3"):
        load_xfeat(tmp_path / "lacking.pt")
