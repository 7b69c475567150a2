"""Loss of the fusing network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def occupancy_loss(
    logits: Tensor, section: Tensor, solid: Tensor, hull: Tensor, edge_weight: float
) -> Tensor:
    """Cross-entropy, weighted by volume, and more near the surface; without what is carved.

    Args:
        logits: Log-odds of matter, ``(R, A, Z)``.
        section: Log-odds of the section branch alone, ``(R, Z)``.
        solid: True share of matter, ``(R, A, Z)``, 0 to 1.
        hull: The channel of that name, ``(R, A, Z)``.
        edge_weight: Weight of nodes near the surface, added to that of all nodes.
    """
    radius = torch.linspace(0.02, 1.0, len(logits), device=logits.device)[:, None, None]
    pooled = functional.max_pool3d(solid[None], 3, 1, 1)[0]
    pooled = pooled + functional.max_pool3d(1.0 - solid[None], 3, 1, 1)[0] - 1.0
    weight = radius * (1.0 + edge_weight * pooled) * (hull > -0.95)
    every = functional.binary_cross_entropy_with_logits(logits, solid, reduction="none")
    mean = solid.mean(dim=1)
    whole = functional.binary_cross_entropy_with_logits(section, mean, reduction="none")
    flat = weight.mean(dim=1)
    return (weight * every).sum() / weight.sum() + 0.2 * (flat * whole).sum() / flat.sum()
