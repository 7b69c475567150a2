"""Axle, position and outline from halves of the frames that share none; the scale frame by frame.

The outlines of even and of odd frames are fitted apart from each other; what the film determines
comes out alike. The size of each frame's outline over that of the solid is the scale that this
frame would give: a zoom, or a pose that is wrong, moves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.geometry.camera import Camera
from tasks.poses.fit_solid import refine_solid
from tasks.poses.outline import NUM_DIRECTIONS, Outline
from tasks.poses.record import ObjectEstimate
from tasks.poses.solid import TYPICAL_FALLS, Solid, Views

FloatArray = NDArray[np.float64]

MIN_FRAMES = 5
"""Frames in a half below which nothing is fitted."""


@dataclass(frozen=True)
class Halves:
    """What two halves of the frames disagree about.

    Args:
        axle_deg: Angle between their axles.
        centre_percent: Distance of the centres, of the mean diameter.
        outline_percent: Distance between the outlines that both predict for all frames, of the
            outlines' size, 90th percentile: of radius and width together, whatever the profile.
    """

    axle_deg: float
    centre_percent: float
    outline_percent: float


def compare_halves(
    cameras: Mapping[int, Camera], outlines: Mapping[int, Outline], tyre: ObjectEstimate
) -> Halves | None:
    """Fit even and odd frames apart and compare; None with too few frames.

    Args:
        cameras: Cameras of the posed frames, world units.
        outlines: Outlines of their masks, by frame index.
        tyre: Where both fits start.
    """
    indices = sorted(set(cameras) & set(outlines))
    if len(indices) < 2 * MIN_FRAMES:
        return None
    start = _solid_of(tyre)
    even, odd = (_fit(cameras, outlines, indices[k::2], start) for k in (0, 1))
    radius = 0.5 * (even.radius + odd.radius)
    views = Views([cameras[i] for i in indices], [outlines[i] for i in indices])
    apart = np.abs(views.supports(even) - views.supports(odd)) / views.size[:, None]
    return Halves(
        axle_deg=float(np.degrees(np.arccos(np.clip(abs(even.axle @ odd.axle), 0.0, 1.0)))),
        centre_percent=50.0 * float(np.linalg.norm(even.centre - odd.centre)) / radius,
        outline_percent=100.0 * float(np.percentile(apart, 90)),
    )


def _fit(
    cameras: Mapping[int, Camera],
    outlines: Mapping[int, Outline],
    indices: Sequence[int],
    start: Solid,
) -> Solid:
    views = Views([cameras[i] for i in indices], [outlines[i] for i in indices])
    return refine_solid(views, start, scale=2.0, steps=30)


def _solid_of(tyre: ObjectEstimate) -> Solid:
    falls = np.stack([TYPICAL_FALLS, TYPICAL_FALLS])
    return Solid(tyre.centre, tyre.axle, tyre.radius, tyre.half_width, falls)


def scale_by_frame(
    cameras: Mapping[int, Camera], outlines: Mapping[int, Outline], tyre: ObjectEstimate
) -> dict[int, float]:
    """Size of each frame's outline over that of the solid, by frame index; whole outlines only."""
    half = NUM_DIRECTIONS // 2
    indices = sorted(set(cameras) & set(outlines))
    if not indices:
        return {}
    views = Views([cameras[i] for i in indices], [outlines[i] for i in indices])
    supports = views.supports(_solid_of(tyre))
    ratios = {}
    for index, support, outline in zip(indices, supports, views.outlines, strict=True):
        whole = outline.valid[:half] & outline.valid[half:]
        if whole.sum() >= half // 2:
            expected = (support[:half] + support[half:])[whole]
            ratios[index] = float(np.median(outline.widths[whole] / expected))
    return ratios


def scale_spread_percent(ratios: Mapping[int, float]) -> float:
    """Half the range between the 10th and 90th percentile of the frames' scales, of the median."""
    values = np.array(list(ratios.values()))
    if len(values) < MIN_FRAMES:
        return float("nan")
    low, middle, high = np.percentile(values, [10, 50, 90])
    return float(50.0 * (high - low) / middle)
