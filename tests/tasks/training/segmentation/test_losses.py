"""The loss is small where the parts are told, and counts boundaries more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tasks.matting.parts import CLASSES
from tasks.training.segmentation.losses import near_boundaries, segmentation_loss


def halves() -> Tensor:
    parts = torch.zeros(1, 32, 32, dtype=torch.int64)
    parts[:, :, 16:] = 1
    return parts


def logits_for(parts: Tensor, strength: float = 20.0) -> Tensor:
    one_hot = functional.one_hot(parts, CLASSES).permute(0, 3, 1, 2).float()
    return strength * one_hot[:, :, ::2, ::2]


def near_of(parts: Tensor) -> Tensor:
    return torch.from_numpy(np.stack([near_boundaries(p.numpy().astype(np.uint8)) for p in parts]))


def test_what_is_within_two_pixels_of_another_part_is_near() -> None:
    near = near_boundaries(halves()[0].numpy().astype(np.uint8))
    assert near[0].nonzero()[0].tolist() == [14, 15, 16, 17]


def test_certain_and_right_costs_next_to_nothing_and_wrong_much() -> None:
    parts = halves()
    right = segmentation_loss(logits_for(parts), parts, near_of(parts), 0.0)
    wrong = segmentation_loss(logits_for(1 - parts), parts, near_of(parts), 0.0)
    assert float(right) < 0.3  # the interpolated boundary is left
    assert float(wrong) > 10


def test_an_even_guess_costs_what_it_should() -> None:
    parts = torch.zeros(1, 16, 16, dtype=torch.int64)
    parts[:, :, 8:] = 2
    found = segmentation_loss(torch.zeros(1, CLASSES, 8, 8), parts, near_of(parts), 3.0)
    dice = [2 * 128 / 3 + 1, 1.0, 2 * 128 / 3 + 1], [256 / 3 + 129, 256 / 3 + 1, 256 / 3 + 129]
    mean = sum(both / total for both, total in zip(*dice, strict=True)) / 3
    assert float(found) == pytest.approx(np.log(3) + 0.5 * (1 - mean), abs=1e-5)


def test_errors_at_a_boundary_weigh_more_with_the_weight() -> None:
    parts = halves()
    shifted = logits_for(parts.roll(1, dims=2))
    plain, weighted = (
        segmentation_loss(shifted, parts, near_of(parts), weight) for weight in (0.0, 5.0)
    )
    assert float(weighted) > 1.5 * float(plain)
