"""Parameters as they are before they are learned or read."""

from __future__ import annotations

import torch
from torch import nn


def normal(*size: int, std: float) -> nn.Parameter:
    """A parameter drawn from the normal distribution of mean zero.

    Args:
        size: Its shape.
        std: Standard deviation.
    """
    values = torch.empty(*size)
    # On the meta device, where a model is built to be read, there is nothing to draw, and drawing
    # imports torch._dynamo, which takes over a second.
    return nn.Parameter(values if values.is_meta else values.normal_(std=std))
