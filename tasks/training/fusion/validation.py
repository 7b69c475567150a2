"""Volume IoU of the fusing network on whole subjects."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from tasks.fusion.decision.network import Fuser
from tasks.fusion.decision.network_inputs import CHANNELS
from tasks.training.fusion.crops import Subject


@torch.inference_mode()
def validate(fuser: Fuser, subjects: Iterable[Subject]) -> dict[str, float]:
    """IoU by volume over subjects: median, mean, tenth per cent, and that of the fields alone.

    Args:
        fuser: The network.
        subjects: Subjects that it was not trained on, at least one.
    """
    found: list[float] = []
    before: list[float] = []
    hull_at, mean_at = CHANNELS.index("hull"), CHANNELS.index("symmetrised")
    for subject in subjects:
        channels, solid = subject.channels.float(), subject.occupancy > 127
        logits, _ = fuser(channels, subject.statistics[0].flatten(0, 1))
        radius = torch.arange(len(solid), device=solid.device)[:, None, None].float()
        for guess, into in ((logits > 0, found), (channels[mean_at] > 0, before)):
            guess = guess & (channels[hull_at] > -0.1)
            into.append(float((radius * (guess & solid)).sum() / (radius * (guess | solid)).sum()))
    return {
        "iou_median": float(np.median(found)),
        "iou_mean": float(np.mean(found)),
        "iou_p10": float(np.percentile(found, 10)),
        "iou_fields": float(np.median(before)),
    }
