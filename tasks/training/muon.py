"""Muon (kellerjordan.github.io/posts/muon) in the number format of the training.

PyTorch's own always orthogonalises in bfloat16, which took five sixths of a step's time on
processors that do not multiply it natively.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic, as published."""


def orthogonalised(matrices: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Matrices ``(K, M, N)`` with the same singular vectors and values near one (0.7 to 1.2).

    Args:
        matrices: Matrices of one shape, none of them zero.
        dtype: Format of the products.
        steps: Number of Newton-Schulz iterations.
    """
    x = matrices.to(dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov's look ahead, orthogonalised; steps as long as AdamW's.

    Args:
        params: Matrices, or kernels, which are matrices from all inputs to the outputs.
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
        """Move every matrix that has a gradient; those of one shape together."""
        for group in self.param_groups:
            ahead: dict[torch.Size, dict[Tensor, Tensor]] = defaultdict(dict)
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                ahead[p.shape][p] = p.grad.lerp(mean, group["momentum"])
            for shape, gradients in ahead.items():
                matrices = torch.stack(list(gradients.values())).flatten(2)
                moves = orthogonalised(matrices, self._dtype)
                scale = 0.2 * max(moves.shape[1:]) ** 0.5  # as large as AdamW's, on average
                for p, move in zip(gradients, moves, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(move.view(shape), alpha=-group["lr"] * scale)
