"""Volume IoU on clean validation views, and the level of the surface where it is best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.synthetic.datasets.augment import clean_views
from tasks.training.reconstruction.shards import ShardReader, to_crop_frame
from tsr.network.field import surface_raw_density
from tsr.system import TSR


@torch.inference_mode()
def densities(
    model: TSR, reader: ShardReader, views: int = 2
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Raw densities and truths of each clean view, at points uniform in a cube round the tyre."""
    for shard in reader.shards:
        count = shard["points"].shape[1] // 3
        for view in range(views):
            codes = model.encode(clean_views(shard["rgba"][:, view]))
            points = to_crop_frame(shard["to_crop"][:, view], shard["points"][:, :count])
            for code, p, inside in zip(codes, points, shard["inside"], strict=True):
                raw, _ = model.decode_points(code[None], p[None])
                within = p.abs().amax(dim=1) < model.renderer.cfg.radius
                raw = torch.where(within, raw[0], -torch.inf)
                yield raw.cpu().numpy(), inside[:count].cpu().numpy()


def scores_at(
    found: list[tuple[NDArray[np.float32], NDArray[np.bool_]]], level: float
) -> dict[str, float]:
    """Volume IoU over the views with the surface at a level of raw density."""
    ious = [
        ((raw > level) & inside).sum() / max(((raw > level) | inside).sum(), 1)
        for raw, inside in found
    ]
    return {
        "iou_median": float(np.median(ious)),
        "iou_mean": float(np.mean(ious)),
        "iou_p10": float(np.percentile(ious, 10)),
    }


def validate(model: TSR, reader: ShardReader) -> dict[str, float]:
    """Volume IoU on clean validation views."""
    level = surface_raw_density(model.renderer.cfg)
    return scores_at(list(densities(model, reader)), level)


def calibrate(model: TSR, reader: ShardReader) -> float:
    """Move the density's bias so that the surface stands where the mean IoU is best.

    Returns:
        The bias added. A thin wall that is likely but not certain falls short of even odds, so that
        the best level lies a little below them.
    """
    found = list(densities(model, reader))
    offsets = np.arange(-0.2, 1.3, 0.1)
    level = surface_raw_density(model.renderer.cfg)
    means = [scores_at(found, level - offset)["iou_mean"] for offset in offsets]
    best = float(offsets[int(np.argmax(means))])
    with torch.no_grad():
        model.decoder.layers[-1].get_parameter("bias")[:1] += best
    return best
