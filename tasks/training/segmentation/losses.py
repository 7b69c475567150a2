"""Loss of the segmenter."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tasks.matting.parts import CLASSES

_REACH_PX = 2


def near_boundaries(parts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where another part is within two pixels; ``(H, W)`` of parts ``(H, W)``."""
    square = np.ones((2 * _REACH_PX + 1, 2 * _REACH_PX + 1), np.uint8)
    return np.asarray(cv2.morphologyEx(parts, cv2.MORPH_GRADIENT, square) > 0)


def segmentation_loss(logits: Tensor, parts: Tensor, near: Tensor, edge_weight: float) -> Tensor:
    """Cross-entropy that counts more at boundaries, and one minus the mean Dice of the parts.

    Weights at boundaries are an idea of Ronneberger et al. (U-Net, 2015), the soft Dice that of
    Milletari, Navab and Ahmadi (V-Net, 2016); the former places edges, the latter keeps small parts
    from being given up.

    Args:
        logits: ``(B, 3, h, w)``; they are brought to the size of the parts.
        parts: ``(B, H, W)`` int64.
        near: ``(B, H, W)`` bool, see :func:`near_boundaries`.
        edge_weight: Weight near boundaries, added to that of all pixels.
    """
    logits = functional.interpolate(
        logits.float(), parts.shape[-2:], mode="bilinear", align_corners=False
    )
    log_shares = logits.log_softmax(1)
    weight = 1.0 + edge_weight * near.float()
    cross = -(weight * log_shares.gather(1, parts[:, None])[:, 0]).sum() / weight.sum()
    shares = log_shares.exp()
    dice = []
    for part in range(CLASSES):
        true = (parts == part).float()
        both = (shares[:, part] * true).sum()
        dice.append((2 * both + 1.0) / (shares[:, part].sum() + true.sum() + 1.0))
    return cross + 0.5 * (1.0 - torch.stack(dice).mean())
