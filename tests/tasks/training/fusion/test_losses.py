"""The loss against its formula, node by node."""

from __future__ import annotations

import math

import pytest
import torch

from tasks.training.fusion.losses import occupancy_loss

R, A, Z = 5, 4, 6


def entropy(logit: float, share: float) -> float:
    chance = 1 / (1 + math.exp(-logit))
    return -share * math.log(chance) - (1 - share) * math.log(1 - chance)


def test_nodes_count_by_volume_and_nearness_and_not_where_they_are_carved() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, section = (torch.randn(s, generator=generator) for s in ((R, A, Z), (R, Z)))
    solid = torch.zeros(R, A, Z)
    solid[:2] = 1.0
    hull = torch.ones(R, A, Z)
    hull[3, 2] = -1.0
    total = weights = flat_total = flat_weights = 0.0
    for r in range(R):
        for z in range(Z):
            flat = 0.0
            for a in range(A):
                near = r in (1, 2)  # beside the boundary between the second and the third ring
                weight = (0.02 + 0.98 * r / (R - 1)) * (1 + 3.0 * near) * (hull[r, a, z].item() > 0)
                total += weight * entropy(logits[r, a, z].item(), solid[r, a, z].item())
                weights += weight
                flat += weight / A
            flat_total += flat * entropy(section[r, z].item(), solid[r, :, z].mean().item())
            flat_weights += flat
    expected = total / weights + 0.2 * flat_total / flat_weights
    assert float(occupancy_loss(logits, section, solid, hull, 3.0)) == pytest.approx(expected)


def test_what_is_right_and_sure_costs_nothing() -> None:
    solid = torch.zeros(R, A, Z)
    solid[:3] = 1.0
    sure = 40.0 * (2 * solid - 1)
    hull = torch.ones(R, A, Z)
    assert float(occupancy_loss(sure, sure.mean(dim=1), solid, hull, 4.0)) < 1e-6
    assert float(occupancy_loss(-sure, sure.mean(dim=1), solid, hull, 4.0)) > 39
