"""Views as a network gets them: over grey, with the defects of real masks."""

from __future__ import annotations

import pytest
import torch

from tasks.synthetic.datasets.augment import (
    STEPS_PER_PX,
    augment_views,
    clean_views,
    defective_masks,
    edge_distances,
)


def _disc_with_opening() -> torch.Tensor:
    rgba = torch.zeros(64, 64, 4, dtype=torch.uint8)
    rgba[16:48, 16:48] = torch.tensor((30, 30, 30, 255), dtype=torch.uint8)
    rgba[28:36, 28:36, 3] = 0
    return rgba


def test_edge_distances_with_and_without_openings() -> None:
    opened, filled = edge_distances(_disc_with_opening()[..., 3].numpy()) / STEPS_PER_PX
    assert opened[32, 32] < 0 < filled[32, 32]
    assert opened[20, 32] == filled[20, 32] == pytest.approx(5, abs=0.3)  # rows 16 to 20
    assert opened[12, 32] == filled[12, 32] == pytest.approx(-4, abs=0.3)
    assert filled[0, 0] == pytest.approx(-127 / STEPS_PER_PX)


def test_augmentation_keeps_range_and_grey_ground() -> None:
    one = _disc_with_opening()
    rgba = one.expand(200, -1, -1, -1)
    edges = torch.from_numpy(edge_distances(one[..., 3].numpy())).expand(200, -1, -1, -1)
    assert clean_views(rgba)[0, :, 0, 0].tolist() == [0.5] * 3
    images = augment_views(rgba, edges, torch.Generator().manual_seed(0))
    assert images.shape == (200, 3, 64, 64)
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images[:, :, 4, 4] == 0.5).all(dim=1).float().mean() > 0.95
    assert images.flatten(1).unique(dim=0).shape[0] == 200
    again = augment_views(rgba, edges, torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, again)
    alpha = rgba[..., 3].float()[:, None] / 255
    masks = defective_masks(alpha, edges, torch.Generator().manual_seed(1))
    assert 0.25 < (masks[:, 0, 32, 32] > 0.5).float().mean() < 0.55  # openings are filled often
    assert (masks[:, 0, 20, 32] < 0.5).float().mean() < 0.2  # and parts cut off now and then
    assert masks.min() >= 0
    assert masks.max() <= 1
