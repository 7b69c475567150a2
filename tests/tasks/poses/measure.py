"""How far an estimate is from the truth, up to the similarity that no video can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from tasks.geometry.camera import Camera
from tasks.poses.record import ObjectEstimate


@dataclass(frozen=True)
class PoseErrors:
    """Median and worst relative rotation, axle and up in degrees; the rest relative.

    ``centre`` is a share of the diameter, ``radius`` and ``half_width`` are shares of their truth.
    """

    rotation_deg: float
    worst_rotation_deg: float
    axle_deg: float
    up_deg: float
    centre: float
    radius: float
    half_width: float


def pose_errors(
    cameras: Mapping[int, Camera],
    tyre: ObjectEstimate,
    truth: Mapping[int, Camera],
    radius: float,
    half_width: float,
) -> PoseErrors:
    """Align the estimate to the truth (cameras in the tyre frame) by its cameras; compare."""
    both = [i for i in cameras if i in truth]
    turns = [cameras[i].rotation.T @ truth[i].rotation for i in both]
    turn = Rotation.from_matrix(turns).mean().as_matrix()  # truth -> estimate
    apart = [
        Rotation.from_matrix(cameras[i].rotation @ turn @ truth[i].rotation.T).magnitude()
        for i in both
    ]
    found = np.stack([cameras[i].centre for i in both])
    true = np.stack([truth[i].centre for i in both]) @ turn.T
    middle, true_middle = found.mean(axis=0), true.mean(axis=0)
    scale = float(
        ((true - true_middle) * (found - middle)).sum() / ((true - true_middle) ** 2).sum()
    )
    origin = middle - scale * true_middle
    return PoseErrors(
        float(np.degrees(np.median(apart))),
        float(np.degrees(np.max(apart))),
        float(np.degrees(np.arccos(min(1.0, abs(tyre.axle @ turn[:, 2]))))),
        float(np.degrees(np.arccos(min(1.0, tyre.up @ turn[:, 1])))),
        float(np.linalg.norm(tyre.centre - origin)) / (2 * scale * radius),
        tyre.radius / (scale * radius) - 1.0,
        tyre.half_width / (scale * half_width) - 1.0,
    )
