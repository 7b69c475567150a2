"""Losses of the reconstruction network: occupancy of points, colour of surface points."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tsr.network.field import surface_raw_density
from tsr.system import TSR


def occupancy_and_colour_loss(
    model: TSR, batch: dict[str, Tensor], product_format: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of occupancy and squared error of colour, both scalar.

    Args:
        model: The network.
        batch: What :meth:`tasks.training.reconstruction.shards.ShardReader.draw` returns.
        product_format: float32, or bfloat16 to multiply in it.
    """
    half = product_format == torch.bfloat16
    with torch.autocast(batch["image"].device.type, dtype=torch.bfloat16, enabled=half):
        codes = model.encode(batch["image"])
        both = torch.cat([batch["points"], batch["surface"]], dim=1)
        raw, raw_colour = model.decode_points(codes, both)
    count = batch["points"].shape[1]
    logit = raw[:, :count].float() - surface_raw_density(model.renderer.cfg)
    valid = (batch["points"].abs().amax(-1) < model.renderer.cfg.radius).float()
    occupancy = (
        functional.binary_cross_entropy_with_logits(
            logit, batch["inside"].float(), weight=valid, reduction="sum"
        )
        / valid.sum()
    )
    colour = functional.mse_loss(raw_colour[:, count:].float().sigmoid(), batch["colour"])
    return occupancy, colour
