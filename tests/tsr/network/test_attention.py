"""Attention in plain matrix products."""

import pytest
import torch
import torch.nn.functional as F

from tsr.network import attention
from tsr.network.attention import attend, by_head


def _inputs(batch: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, 500, 3, 64), (batch, 77, 3, 64), (batch, 77, 3, 64))  # as layers make them
    return [torch.randn(s, generator=generator).to(dtype).transpose(1, 2) for s in shapes]


@pytest.mark.parametrize("batch", [1, 2])
def test_by_head_agrees_with_the_fused_kernel(batch: int) -> None:
    q, k, v = _inputs(batch, torch.float32)
    torch.testing.assert_close(by_head(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_in_bfloat16_it_stays_within_its_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_has_bfloat16_tiles", lambda: False)
    calls = []
    monkeypatch.setattr(attention, "by_head", lambda *a: calls.append(1) or by_head(*a))
    q, k, v = _inputs(1, torch.bfloat16)
    exact = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        ours = attend(q, k, v)
    assert calls
    assert ours.dtype == torch.bfloat16
    assert float((ours.float() - exact).norm() / exact.norm()) < 0.01
    assert ours.transpose(1, 2).is_contiguous()
    with torch.enable_grad():
        attend(*_inputs(1, torch.bfloat16))
    assert len(calls) == 1, "gradients go through the fused kernel"
