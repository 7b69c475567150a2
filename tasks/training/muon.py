"""Muon (kellerjordan.github.io/posts/muon) in the number format of the training.

PyTorch's own always orthogonalises in bfloat16, which took five sixths of a step's time on
processors that do not multiply it natively.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic, as published."""


def orthogonalised(matrix: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """A matrix ``(M, N)`` with the same singular vectors and singular values near one (0.7 to 1.2).

    Args:
        matrix: Any but zero.
        dtype: Format of the products.
        steps: Of the Newton-Schulz iteration.
    """
    x = matrix.to(dtype)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov's look ahead, orthogonalised; steps as long as AdamW's.

    Args:
        params: Matrices.
        lr: Learning rate, on AdamW's scale.
        weight_decay: Decoupled.
        dtype: Format of the orthogonalisation.
        momentum: Decay of the averaged gradients.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        weight_decay: float,
        dtype: torch.dtype,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                mean = state.setdefault("momentum_buffer", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(mean, group["momentum"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                scale = 0.2 * max(p.shape) ** 0.5  # an update as large as AdamW's, on average
                p.add_(orthogonalised(ahead, self._dtype), alpha=-group["lr"] * scale)
