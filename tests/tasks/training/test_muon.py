"""Muon moves matrices along their singular vectors."""

from __future__ import annotations

import pytest
import torch

from tasks.training.muon import Muon


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_muon_moves_along_the_singular_vectors_as_far_in_each(shape: tuple[int, int]) -> None:
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = gradient.clone()
    Muon([weight], lr=1.0, weight_decay=0.0, dtype=torch.float32).step()
    along = u.T @ weight.detach() @ v.T / (-0.2 * max(shape) ** 0.5)
    values = along.diagonal()
    assert values.min() > 0.5
    assert values.max() < 1.3
    torch.testing.assert_close(along, values.diag(), atol=1e-4, rtol=0)
    reference = torch.nn.Parameter(torch.zeros(shape))
    reference.grad = gradient.clone()
    torch.optim.Muon([reference], lr=1.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
    torch.testing.assert_close(weight.detach(), reference.detach(), atol=0.05, rtol=0.05)
