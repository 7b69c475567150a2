"""How well the segmenter tells parts: overlap, openings, where the boundaries lie."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from tasks.matting.parts import BACKGROUND, RIM
from tasks.matting.tyre_net import TyreNet
from tasks.training.segmentation.batches import stacked

Image = NDArray[np.uint8]
_BATCH = 8
_LEAST_OPENING = 0.002
"""Openings below this share of the tyre's filled outline are not scored."""


def overlap(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Intersection over union; 1 where both are empty."""
    union = (found | true).sum()
    return float((found & true).sum() / union) if union else 1.0


def openings_kept(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float | None:
    """Share of the true tyre's openings that is open in a mask; None where it has none.

    Args:
        found: ``(H, W)``, where a mask says that the tyre is.
        true: Where it is.
    """
    contours, _ = cv2.findContours(true.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(true.shape, np.uint8), contours, -1, 1, cv2.FILLED).astype(
        bool
    )
    opening = filled & ~true
    if opening.sum() < _LEAST_OPENING * filled.sum():
        return None
    return float((opening & ~found).sum() / opening.sum())


def boundary_error(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float | None:
    """Mean distance from the found boundary to the true one, pixels; None where one is missing."""
    edges = [
        cv2.morphologyEx(m.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
        for m in (found, true)
    ]
    if not edges[0].any() or not edges[1].any():
        return None
    away = cv2.distanceTransform((~edges[1]).astype(np.uint8), cv2.DIST_L2, 5)
    return float(away[edges[0]].mean())


@torch.inference_mode()
def validate(
    network: TyreNet, pairs: Sequence[tuple[Image, Image]], product_format: torch.dtype
) -> dict[str, float]:
    """Scores over images of one size.

    Args:
        network: The network.
        pairs: Images ``(H, W, 3)`` and parts ``(H, W)``, at least one.
        product_format: float32, or bfloat16 to multiply in it.

    Returns:
        IoU of the tyre (median, mean, tenth per cent), share of openings kept open, IoU of the rim.
    """
    tyres, rims, openings = [], [], []
    for start in range(0, len(pairs), _BATCH):
        images, parts = stacked(list(pairs[start : start + _BATCH]))
        device = next(network.parameters()).device
        images = images.to(device, memory_format=torch.channels_last)
        half = product_format == torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = network(images)
        logits = torch.nn.functional.interpolate(
            logits.float().cpu(), parts.shape[-2:], mode="bilinear", align_corners=False
        )
        for found, true in zip(logits.argmax(1).numpy(), parts.numpy(), strict=True):
            tyres.append(overlap(found != BACKGROUND, true != BACKGROUND))
            rims.append(overlap(found == RIM, true == RIM))
            kept = openings_kept(found != BACKGROUND, true != BACKGROUND)
            if kept is not None:
                openings.append(kept)
    return {
        "iou_median": float(np.median(tyres)),
        "iou_mean": float(np.mean(tyres)),
        "iou_p10": float(np.percentile(tyres, 10)),
        "iou_rim": float(np.mean(rims)),
        "openings": float(np.mean(openings)) if openings else 1.0,
    }
