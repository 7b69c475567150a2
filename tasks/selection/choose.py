"""Which frames the network sees: sharp, well exposed, whole, spread around the tyre."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.stages import SelectConfig, StageName
from tasks.core.errors import ReconstructionError
from tasks.matting.quality import Mask
from tasks.poses.record import PoseEstimate
from tasks.selection.scores import Scores, relative_sharpness
from tasks.storage.artifacts import Artifact
from tasks.video.frames import evenly


@dataclass(frozen=True)
class Verdict:
    """One candidate's scores, and why it was taken or not.

    Args:
        index: Index of the candidate.
        scores: None where no mask was usable.
        relative_sharpness: Sharpness over the neighbours' median.
        azimuth_deg: Azimuth of the camera about the tyre's up axis, None where it has no pose.
        elevation_deg: Elevation of the camera above the tyre's equator, None likewise.
        taken: Whether the network sees it.
        reason: Why, or why not.
        held_out: Whether the merge does without it, so that the mesh can be judged by it.
    """

    index: int
    scores: Scores | None
    relative_sharpness: float
    azimuth_deg: float | None
    elevation_deg: float | None
    taken: bool
    reason: str
    held_out: bool = False


@dataclass(frozen=True)
class Selection:
    """The verdicts on all candidates, in order."""

    verdicts: tuple[Verdict, ...]

    @classmethod
    def read(cls, artifact: Artifact) -> Selection:
        """The selection that an artifact holds."""
        return cls(tuple(_verdict_from(entry) for entry in artifact.record["verdicts"]))

    def record(self) -> dict[str, Any]:
        """What the artifact's record says, as plain JSON types."""
        return {"verdicts": [asdict(v) for v in self.verdicts]}

    @property
    def chosen(self) -> list[int]:
        """Indices of the frames that the network sees, in order."""
        return [v.index for v in self.verdicts if v.taken]

    @property
    def held_out(self) -> list[int]:
        """Indices of the frames that the mesh is judged by, in order."""
        return [v.index for v in self.verdicts if v.held_out]


def _verdict_from(entry: dict[str, Any]) -> Verdict:
    return Verdict(**{**entry, "scores": Scores(**entry["scores"]) if entry["scores"] else None})


def viewpoints(poses: PoseEstimate) -> dict[int, tuple[float, float]]:
    """Azimuth about the tyre's up axis (0 on the axle's side) and elevation, in degrees."""
    tyre = poses.tyre
    side = np.cross(tyre.up, tyre.axle)
    views = {}
    for index, ray in viewing_directions(poses).items():
        azimuth = math.degrees(math.atan2(float(ray @ side), float(ray @ tyre.axle)))
        elevation = math.degrees(math.asin(float(np.clip(ray @ tyre.up, -1.0, 1.0))))
        views[index] = (azimuth % 360.0, elevation)
    return views


def viewing_directions(poses: PoseEstimate) -> dict[int, NDArray[np.float64]]:
    """Unit vectors from the tyre's centre to each camera."""
    rays = {i: c.centre - poses.tyre.centre for i, c in poses.cameras.items()}
    return {i: ray / np.linalg.norm(ray) for i, ray in rays.items()}


def choose_farthest(
    directions: Mapping[int, NDArray[np.float64]], merit: Mapping[int, float], count: int
) -> dict[int, str]:
    """Choose ``count`` viewpoints, far apart, each the best of its surroundings.

    Farthest-point sampling (Gonzalez, Clustering to minimize the maximum intercluster distance,
    Theoretical Computer Science 38, 1985) fixes the bins (each candidate belongs to the nearest
    seed), the best candidate of each bin is taken, and what is missing is filled by farthest point
    again.

    Args:
        directions: Unit vector from the tyre to the camera, by index.
        merit: Quality by index, larger is better.
        count: Number of viewpoints to choose.

    Returns:
        Reason of each chosen index.
    """
    order = sorted(directions)
    if len(order) <= count:
        return dict.fromkeys(order, "every usable frame is taken")
    rays = np.stack([directions[i] for i in order])
    angles = np.arccos(np.clip(rays @ rays.T, -1.0, 1.0))
    seeds = [int(np.argmax([merit[i] for i in order]))]
    while len(seeds) < count:
        seeds.append(int(np.argmax(angles[seeds].min(axis=0))))
    bins = np.argmin(angles[seeds], axis=0)
    chosen: dict[int, str] = {}
    for bin_number in range(count):
        members = [order[k] for k in np.flatnonzero(bins == bin_number)]
        if members:
            best = max(members, key=lambda i: (merit[i], -i))
            chosen[best] = f"sharpest of {len(members)} from this side"
    while len(chosen) < count:
        positions = [order.index(i) for i in chosen]
        gaps = angles[positions].min(axis=0)
        gaps[positions] = -1.0
        chosen[order[int(np.argmax(gaps))]] = "fills the widest gap"
    return chosen


def choose_held_out(
    views: Mapping[int, tuple[float, float]],
    sound: Sequence[int],
    chosen: Mapping[int, str],
    config: SelectConfig,
) -> set[int]:
    """The frames that the merge does without: evenly spread in time, none that the network sees.

    Args:
        views: Viewpoint of every frame with a pose and a mask, by index.
        sound: Those without an objection.
        chosen: The frames that the network sees.
        config: How many, and how many frames the merge needs at least.
    """
    spare = [i for i in sound if i not in chosen]
    if len(views) <= config.hold_out_above:
        return set()
    return {spare[k] for k in evenly(len(spare), config.held_out)}


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
) -> Selection:
    """Judge every candidate and choose.

    Args:
        masks: Masks of all candidates, in order.
        scores: Scores of the candidates whose mask is usable, by index.
        poses: Cameras of the registered candidates.
        config: Number of frames and the least quality of each.

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
            stage=StageName.SELECT,
            what=f"none of {len(masks)} frames shows the whole tyre sharply with a known pose",
            advice="Film slowly, in good light, with the whole tyre in the picture",
        )
    in_pool = set(pool)
    merit = {m.index: relative[m.index] * m.confidence for m in masks if m.index in in_pool}
    chosen = choose_farthest(
        {i: d for i, d in viewing_directions(poses).items() if i in merit}, merit, config.num_frames
    )
    posed = {m.index: views[m.index] for m in masks if m.usable and m.index in views}
    sound = [i for i, why in objections.items() if not why]
    held_out = choose_held_out(posed, sound, chosen, config)
    verdicts = []
    for mask in masks:
        index = mask.index
        azimuth, elevation = views.get(index, (None, None))
        why = chosen.get(index)
        spare = (
            "kept to judge the mesh by" if index in held_out else "a better frame is from this side"
        )
        reason = f"{note}{why}" if why else objections[index] or spare
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
                index in held_out,
            )
        )
    return Selection(tuple(verdicts))
