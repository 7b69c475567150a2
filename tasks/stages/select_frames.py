"""Stage *select*: the frames that the network sees: sharp, well exposed, whole, spread around."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from prefect import task

from configs.stages import SelectConfig
from tasks.core.errors import ReconstructionError
from tasks.core.progress import report
from tasks.imaging.images import read_image, read_mask
from tasks.records import ArtifactRef, PoseEstimate
from tasks.stages.caching import STAGE
from tasks.stages.extract_frames import candidates_of
from tasks.stages.remove_backgrounds import Mask, masks_of
from tasks.storage.artifacts import ArtifactStore, code_version
from tasks.storage.base import storage_errors

STAGE_NAME = "select"
_MEASURE_PX = 720
"""Sharpness is measured with the tyre's box scaled to this many pixels."""


@dataclass(frozen=True)
class Scores:
    """What is measured on one candidate.

    Args:
        sharpness: Mean squared gradient inside the mask over the grey values' variance there.
        brightness: 95th percentile of the grey values inside the mask, 0..255.
        clipped: Share of the mask's pixels at white.
    """

    sharpness: float
    brightness: float
    clipped: float


@dataclass(frozen=True)
class Verdict:
    """One candidate's scores, and why it was taken or not.

    Args:
        index: Of the candidate.
        scores: None where no mask was usable.
        relative_sharpness: Sharpness over the neighbours' median.
        azimuth_deg: Of the camera about the tyre's up axis, None where it has no pose.
        elevation_deg: Likewise.
        taken: Whether the network sees it.
        reason: Why, or why not.
    """

    index: int
    scores: Scores | None
    relative_sharpness: float
    azimuth_deg: float | None
    elevation_deg: float | None
    taken: bool
    reason: str


def measure(picture: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Scores:
    """Sharpness and exposure inside a mask.

    Args:
        picture: ``(H, W, 3)`` BGR.
        alpha: ``(H, W)``.
    """
    ys, xs = np.nonzero(alpha > 127)
    if len(ys) == 0:
        return Scores(0.0, 0.0, 0.0)
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[box]
    mask: NDArray[Any] = alpha[box]
    scale = _MEASURE_PX / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    inside = cv2.erode((mask > 127).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    if not inside.any():
        inside = mask > 127
    gx = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    gy = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    values = grey[inside]
    energy = float((gx * gx + gy * gy)[inside].mean())
    return Scores(
        sharpness=energy / (float(values.var()) + 1.0),
        brightness=float(np.percentile(values, 95)),
        clipped=float((values >= 250).mean()),
    )


def relative_sharpness(sharpness: Mapping[int, float], reach: int) -> dict[int, float]:
    """Each candidate's sharpness over the median of its neighbours in time (itself left out)."""
    order = sorted(sharpness)
    relative = {}
    for place, index in enumerate(order):
        near = order[max(0, place - reach) : place] + order[place + 1 : place + 1 + reach]
        median = float(np.median([sharpness[i] for i in near])) if near else sharpness[index]
        relative[index] = sharpness[index] / median if median > 0 else 1.0
    return relative


def viewpoints(poses: PoseEstimate) -> dict[int, tuple[float, float]]:
    """Azimuth about the tyre's up axis (0 on the axle's side) and elevation, in degrees."""
    tyre = poses.tyre
    side = np.cross(tyre.up, tyre.axle)
    views = {}
    for index, camera in poses.cameras.items():
        ray = camera.centre - tyre.centre
        ray = ray / np.linalg.norm(ray)
        azimuth = math.degrees(math.atan2(float(ray @ side), float(ray @ tyre.axle)))
        elevation = math.degrees(math.asin(float(np.clip(ray @ tyre.up, -1.0, 1.0))))
        views[index] = (azimuth % 360.0, elevation)
    return views


def _directions(poses: PoseEstimate) -> dict[int, NDArray[np.float64]]:
    """Unit vectors from the tyre's centre to each camera."""
    rays = {i: c.centre - poses.tyre.centre for i, c in poses.cameras.items()}
    return {i: ray / np.linalg.norm(ray) for i, ray in rays.items()}


def spread(
    directions: Mapping[int, NDArray[np.float64]], merit: Mapping[int, float], wanted: int
) -> dict[int, str]:
    """Choose ``wanted`` viewpoints, far apart, each the best of its surroundings.

    Farthest-point choice fixes the bins (each candidate belongs to the nearest seed), the best
    candidate of each bin is taken, and what is missing is filled by farthest point again.

    Args:
        directions: Unit vector from the tyre to the camera, by index.
        merit: The larger, the better, by index.
        wanted: How many.

    Returns:
        Reason of each chosen index.
    """
    order = sorted(directions)
    if len(order) <= wanted:
        return dict.fromkeys(order, "every usable frame is taken")
    rays = np.stack([directions[i] for i in order])
    angles = np.arccos(np.clip(rays @ rays.T, -1.0, 1.0))
    seeds = [int(np.argmax([merit[i] for i in order]))]
    while len(seeds) < wanted:
        seeds.append(int(np.argmax(angles[seeds].min(axis=0))))
    bins = np.argmin(angles[seeds], axis=0)
    chosen: dict[int, str] = {}
    for bin_number in range(wanted):
        members = [order[k] for k in np.flatnonzero(bins == bin_number)]
        if members:
            best = max(members, key=lambda i: (merit[i], -i))
            chosen[best] = f"sharpest of {len(members)} from this side"
    while len(chosen) < wanted:
        places = [order.index(i) for i in chosen]
        gaps = angles[places].min(axis=0)
        gaps[places] = -1.0
        chosen[order[int(np.argmax(gaps))]] = "fills the widest gap"
    return chosen


def _objection(mask: Mask, scores: Scores, config: SelectConfig) -> str:
    if mask.touches_border:
        return "the tyre leaves the frame"
    if mask.solidity < config.min_solidity:
        return f"ragged mask (solidity {mask.solidity:.2f})"
    if scores.brightness < config.min_brightness:
        return "too dark"
    if scores.clipped > config.max_clipped:
        return "overexposed"
    return ""


def select_frames(
    masks: Sequence[Mask],
    scores: Mapping[int, Scores],
    poses: PoseEstimate,
    config: SelectConfig,
) -> list[Verdict]:
    """Judge every candidate and choose.

    Args:
        masks: Of all candidates.
        scores: Of the candidates whose mask is usable.
        poses: Cameras of the registered candidates.
        config: How many, how good.

    Returns:
        One verdict per candidate, in order.

    Raises:
        ReconstructionError: ``no-good-frame`` if no candidate can be used at all.
    """
    relative = relative_sharpness({i: s.sharpness for i, s in scores.items()}, config.neighbours)
    views = viewpoints(poses)
    objections: dict[int, str] = {}
    for mask in masks:
        index = mask.index
        if mask.refused:
            objections[index] = mask.refused
        elif index not in views:
            objections[index] = "its pose is unknown"
        else:
            objections[index] = _objection(mask, scores[index], config)
            if not objections[index] and relative[index] < config.min_sharpness:
                objections[index] = "blurred beside its neighbours"
    pool = [i for i, why in objections.items() if not why]
    flawed = [m.index for m in masks if m.usable and m.index in views and objections[m.index]]
    note = ""
    if len(pool) < min(config.num_frames, 3):
        pool, note = pool + flawed, "too few good frames: "
    if not pool:
        raise ReconstructionError(
            "no-good-frame",
            stage="select",
            what=f"none of {len(masks)} frames shows the whole tyre sharply with a known pose",
            advice="Film slowly, in good light, with the whole tyre in the picture",
        )
    merit = {i: relative[i] * masks_confidence for i, masks_confidence in _confidence(masks, pool)}
    chosen = spread(
        {i: d for i, d in _directions(poses).items() if i in merit}, merit, config.num_frames
    )
    verdicts = []
    for mask in masks:
        index = mask.index
        azimuth, elevation = views.get(index, (None, None))
        why = chosen.get(index)
        reason = f"{note}{why}" if why else objections[index] or "a better frame is from this side"
        if why and objections[index]:
            reason += f" (though: {objections[index]})"
        verdicts.append(
            Verdict(
                index,
                scores.get(index),
                relative.get(index, 0.0),
                azimuth,
                elevation,
                why is not None,
                reason,
            )
        )
    return verdicts


def _confidence(masks: Sequence[Mask], pool: Sequence[int]) -> list[tuple[int, float]]:
    wanted = set(pool)
    return [(m.index, m.confidence) for m in masks if m.index in wanted]


def chosen_indices(record: Mapping[str, Any]) -> list[int]:
    """The chosen candidates that an artifact's record lists."""
    return [int(i) for i in record["chosen"]]


def version() -> str:
    """The stage's code version."""
    return code_version(__name__, "tasks.geometry")


@task(name="select frames", task_run_name="select-{tyre}", retries=1, timeout_seconds=1800, **STAGE)
def select_task(
    key: str,
    tyre: str,
    frames: ArtifactRef,
    masks: ArtifactRef,
    poses: ArtifactRef,
    config: SelectConfig,
    store: ArtifactStore,
) -> dict[str, Any]:
    """Choose the frames for the network; returns the artifact's reference."""

    def produce(folder: Path) -> dict[str, Any]:
        extracted, masked = store.open(frames), store.open(masks)
        estimate = PoseEstimate.from_dict(store.open(poses).record["poses"])
        judged = masks_of(masked.record)
        files = {c.index: c.file for c in candidates_of(extracted.record)}
        usable = [m for m in judged if m.usable]
        scores = {}
        for done, mask in enumerate(usable, 1):
            picture = read_image(extracted.folder / files[mask.index])
            alpha = read_mask(masked.folder / mask.file)
            scores[mask.index] = measure(picture, alpha)
            report(STAGE_NAME, done, len(usable))
        verdicts = [asdict(v) for v in select_frames(judged, scores, estimate, config)]
        with storage_errors(str(folder)):
            (folder / "selection.json").write_text(json.dumps(verdicts, indent=1))
        taken = [v["index"] for v in verdicts if v["taken"]]
        return {"chosen": taken, "candidates": len(verdicts), "verdicts": verdicts}

    return asdict(store.make(STAGE_NAME, key, produce))
