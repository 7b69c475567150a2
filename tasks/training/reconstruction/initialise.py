"""The reconstruction network's weights before the first step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tsr.network.field import surface_raw_density
from tsr.system import TSR


def plane_waves(side: int, channels: int) -> Tensor:
    """Sines and cosines of row and column, ``(side * side, channels)``, at dyadic frequencies."""
    quarter = channels // 4
    at = (torch.arange(side) + 0.5) / side
    frequency = math.pi * 2.0 ** torch.linspace(0, math.log2(side), quarter)
    wave = torch.cat([(at[:, None] * frequency).sin(), (at[:, None] * frequency).cos()], dim=1)
    rows = wave[:, None].expand(side, side, -1)
    columns = wave[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side * side, -1)


@torch.no_grad()
def initialise(model: TSR) -> None:
    """Positions that the network can tell apart from the start, density near the surface's.

    The published model starts from a pretrained image encoder; from nothing, zero position
    embeddings keep the encoder blind to where things are for thousands of steps.
    """
    embeddings = model.image_tokenizer.model.embeddings
    positions = embeddings.position_embeddings
    side = math.isqrt(positions.shape[1] - 1)
    positions[0, 1:] = plane_waves(side, positions.shape[2])
    embeddings.patch_embeddings.projection.weight.mul_(0.5)
    planes = model.tokenizer.embeddings  # (3, C, P, P)
    waves = plane_waves(planes.shape[-1], planes.shape[1]).T.reshape(planes.shape[1:])
    planes.mul_(0.5).add_(waves * planes.std() + planes.std() * torch.randn(3, len(waves), 1, 1))
    level = surface_raw_density(model.renderer.cfg)
    model.decoder.layers[-1].get_parameter("bias")[:1] = level - 1.0
