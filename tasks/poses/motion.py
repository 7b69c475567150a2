"""What moved in the video: the camera, or the tyre before a still background."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from configs.presets import Motion
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_grey
from tasks.poses.outline import Outline

FloatArray = NDArray[np.float64]
Background = Literal["moving", "still", "shaking", "unknown"]
"""What lies behind the tyre moves with the camera, stands still, or moves as it does before a
camera that is held in a hand."""

STILL_LEVELS = 7.0
"""A background whose pixels change less (of 255, nine of ten pixels) stands still."""

_COMPARED_WIDTH = 240

_FOLLOWED_WIDTH = 480

_HAND = (0.12, 0.12, np.radians(8.0))
"""A hand that stays in place moves the image by less: shift as a share of its width, relative
change of scale, rotation."""

_MIN_FOLLOWED = 15
_MIN_AGREEING = 0.5
"""So many points of the background, and such a share of them, must move as one."""


_UNEVEN = 3.0
"""Somebody who walks unevenly comes this much farther than usual from one frame to the next."""
_ABOUT = 3
"""Steps before and after one that tell how a camera turns about that time."""


@dataclass(frozen=True)
class Changes:
    """What changes before a fixed camera.

    Args:
        background: Whether what lies outside the masks moves.
        moving: ``(H, W)`` bool at full size, where the image changes over time.
    """

    background: Background
    moving: NDArray[np.bool_]


def detect_changes(frame_paths: Mapping[int, Path], outlines: Mapping[int, Outline]) -> Changes:
    """Compare frames pixel by pixel: a fixed camera sees the same background again and again.

    Args:
        frame_paths: Images of one size, by frame index; those without an outline are not read.
        outlines: Outlines of the masks, by frame index.

    Returns:
        "unknown" where the sizes differ or the masks leave no background.
    """
    seen: list[NDArray[np.float32]] = []
    outside: list[NDArray[np.bool_]] = []
    shapes = {(o.height, o.width) for o in outlines.values()}
    height, width = next(iter(shapes))
    nothing = Changes("unknown", np.ones((height, width), dtype=bool))
    if len(shapes) > 1:
        return nothing
    for i, outline in outlines.items():
        image = read_grey(frame_paths[i])
        shrink = _COMPARED_WIDTH / width
        size = (_COMPARED_WIDTH, max(8, round(height * shrink)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        seen.append(cv2.GaussianBlur(small, (0, 0), 1.0).astype(np.float32))
        hull = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(hull, (outline.hull * shrink).round().astype(np.int32), 1)
        margin = 2 * max(2, round(0.05 * outline.size * shrink)) + 1
        outside.append(cv2.dilate(hull, np.ones((margin, margin), np.uint8)) == 0)
    stack, free = np.stack(seen), np.stack(outside)
    always = free.all(axis=0)
    if always.mean() < 0.05:
        return nothing
    typical = np.median(stack[:, always], axis=1)  # (N,) follows the exposure
    stack *= (np.median(typical) / np.maximum(typical, 1.0))[:, None, None]
    change = np.abs(stack - np.median(stack, axis=0))
    still = float(np.percentile(change[:, always], 90)) < STILL_LEVELS
    swing = np.percentile(change, 80, axis=0)
    noise = float(np.median(swing[always]))
    moving = (swing > max(3.0, 3.0 * noise)).astype(np.uint8)
    moving = cv2.dilate(moving, np.ones((7, 7), np.uint8)).astype(np.uint8)
    full = cv2.resize(moving, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    if still:
        return Changes("still", np.asarray(full))
    in_hand = _is_handheld(frame_paths, outlines)
    return Changes("shaking" if in_hand else "moving", np.asarray(full))


def _is_handheld(frame_paths: Mapping[int, Path], outlines: Mapping[int, Outline]) -> bool:
    """Whether the background, followed from frame to frame, stays nearly where it is.

    Points are followed by Lucas and Kanade's method in pyramids (Bouguet, 1999); a similarity for
    each step, added up, says how far the camera has turned since the first frame.
    """
    before: NDArray[np.uint8] | None = None
    outside = np.zeros((0, 0), np.uint8)
    total = np.eye(3)
    path = [total]
    for i, outline in outlines.items():
        image = read_grey(frame_paths[i])
        shrink = _FOLLOWED_WIDTH / image.shape[1]
        size = (_FOLLOWED_WIDTH, max(8, round(image.shape[0] * shrink)))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        hull = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(hull, (outline.hull * shrink).round().astype(np.int32), 1)
        margin = 2 * max(2, round(0.05 * outline.size * shrink)) + 1
        free = np.where(cv2.dilate(hull, np.ones((margin, margin), np.uint8)) > 0, 0, 255)
        if before is not None:
            step = _step(before, small, outside)
            if step is None:
                return False
            total = step @ total
            path.append(total)
        before, outside = small, free.astype(np.uint8)
    steps = np.stack(path)
    scale = np.sqrt(steps[:, 0, 0] ** 2 + steps[:, 1, 0] ** 2)
    turn = np.unwrap(np.arctan2(steps[:, 1, 0], steps[:, 0, 0]))
    middle = steps[:, :2, :] @ np.array([size[0] / 2, size[1] / 2, 1.0])
    shift = np.linalg.norm(middle - np.median(middle, axis=0), axis=1) / _FOLLOWED_WIDTH
    change = np.abs(np.log(scale) - np.median(np.log(scale)))
    turned = np.abs(turn - np.median(turn))
    return bool(shift.max() < _HAND[0] and change.max() < _HAND[1] and turned.max() < _HAND[2])


def _step(
    before: NDArray[np.uint8], after: NDArray[np.uint8], outside: NDArray[np.uint8]
) -> FloatArray | None:
    """The similarity ``(3, 3)`` that moves the background from one image to the next, if any does.

    Args:
        before: ``(H, W)`` grey image.
        after: The next one.
        outside: ``(H, W)`` 255 where the first image shows background.
    """
    points = cv2.goodFeaturesToTrack(before, 300, 0.01, 7, mask=outside)
    if points is None or len(points) < _MIN_FOLLOWED:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, np.empty_like(points))
    good = found[:, 0] > 0
    if good.sum() < _MIN_FOLLOWED:
        return None
    similarity, agree = cv2.estimateAffinePartial2D(
        points[good], moved[good], method=cv2.RANSAC, ransacReprojThreshold=1.5
    )
    if similarity is None or agree.sum() < max(_MIN_FOLLOWED, _MIN_AGREEING * len(points)):
        return None
    return np.vstack([similarity, [0.0, 0.0, 1.0]])


def turning_axis(cameras: Sequence[Camera]) -> tuple[FloatArray, float]:
    """The world axis ``(3,)`` that the cameras turn about, and how exclusively (1 = only)."""
    n = len(cameras)
    turns = []
    for step in {1, 2, 3, max(1, n // 8), max(1, n // 4)}:
        for a, b in zip(cameras, cameras[step:], strict=False):
            turns.append(Rotation.from_matrix(b.rotation.T @ a.rotation).as_rotvec())
    w = np.array(turns)
    values, vectors = np.linalg.eigh(w.T @ w)
    return vectors[:, -1], float(values[-1] / max(values.sum(), 1e-12))


def arc_deg(cameras: Sequence[Camera], centre: FloatArray) -> float:
    """Largest angle between two cameras, seen from the tyre, in degrees."""
    d = np.stack([c.centre - centre for c in cameras])
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((d @ d.T).min(), -1.0, 1.0))))


def path_jump_deg(cameras: Mapping[int, Camera], centre: FloatArray) -> float:
    """By how much the cameras of neighbouring frames lie too far apart, seen from the tyre.

    Whoever films does not leap; cameras do that were put on the wrong side of a tyre whose faces
    look alike, with small reprojection errors and outlines that agree.

    Args:
        cameras: By frame index, which counts up with time.
        centre: ``(3,)`` centre of the tyre, world units.

    Returns:
        Degrees by which the widest step exceeds so many usual ones; 0 where none does.
    """
    indices = sorted(cameras)
    if len(indices) < 3:
        return 0.0
    away = np.stack([cameras[i].centre - centre for i in indices])
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    step = np.degrees(np.arccos(np.clip((away[1:] * away[:-1]).sum(axis=1), -1.0, 1.0)))
    frames = np.diff(indices)
    usual = float(np.median(step / frames))
    return max(0.0, float((step - _UNEVEN * usual * frames).max()))


def turn_jump_deg(cameras: Mapping[int, Camera]) -> float:
    """By how much a camera turns otherwise, against the tyre, than before and after.

    Seen along its axle a wheel looks alike after each spoke: cameras that took one spoke for the
    next stay where they are and turn by that angle at once, with small reprojection errors and
    outlines that agree.

    Args:
        cameras: By frame index, which counts up with time.

    Returns:
        Degrees by which the rotation between two neighbouring frames departs from what it is
        about them, beyond one usual rotation (where ``n - 1`` frames lack between them, beyond
        the square root of ``n``); 0 where none does.
    """
    indices = sorted(cameras)
    if len(indices) < 2 * _ABOUT:
        return 0.0
    frames = np.diff(indices)[:, None]
    rotations = Rotation.from_matrix(np.stack([cameras[i].rotation for i in indices]))
    turns = np.degrees((rotations[1:] * rotations[:-1].inv()).as_rotvec())
    about = sliding_window_view(
        np.pad(turns / frames, ((_ABOUT, _ABOUT), (0, 0)), mode="reflect"), 2 * _ABOUT + 1, axis=0
    )
    rates = np.median(about, axis=2)
    off = np.linalg.norm(turns - rates * frames, axis=1)
    usual = float(np.median(np.linalg.norm(rates, axis=1)))
    return max(0.0, float((off - usual * np.sqrt(frames[:, 0])).max()))


def name_motion(
    cameras: Sequence[Camera],
    centre: FloatArray,
    axle: FloatArray,
    up: FloatArray,
    *,
    among: Collection[Motion],
) -> Motion:
    """The motion that the cameras' path around the tyre shows.

    A turntable's cameras are those of an orbit, and those of a tyre that spins are those of an
    orbit round a tyre that lies: what else is known (whether the background stood still, what the
    user says) has to leave one of each two.

    Args:
        cameras: Cameras in the order of time.
        centre: ``(3,)`` centre of the tyre, world units.
        axle: ``(3,)`` unit vector along the tyre's axle.
        up: ``(3,)`` unit vector upwards in the world.
        among: The motions that are possible, at least one.
    """
    axis, share = turning_axis(cameras)
    if "spin" in among and abs(axis @ axle) > np.cos(np.radians(20.0)):
        return "spin"
    away = np.stack([c.centre - centre for c in cameras])
    distance = np.linalg.norm(away, axis=1)
    elevation = np.degrees(np.arcsin(np.clip(away @ up / distance, -1.0, 1.0)))
    steady = distance.std() < 0.12 * distance.mean() and elevation.std() < 6.0
    order: tuple[Motion, ...] = ("orbit", "turntable", "free", "spin")
    if not steady or share <= 0.8:
        order = ("free", "turntable", "orbit", "spin")
    return next(m for m in order if m in among)


def world_up(cameras: Sequence[Camera]) -> FloatArray:
    """Up of the world ``(3,)`` for a phone held without roll: orthogonal to all images' rows."""
    rows = np.stack([c.rotation[0] for c in cameras])
    mean = -np.stack([c.rotation[1] for c in cameras]).mean(axis=0)
    mean /= max(float(np.linalg.norm(mean)), 1e-12)
    scatter = rows.T @ rows / len(rows) + 0.05 * (np.eye(3) - np.outer(mean, mean))
    up = np.linalg.eigh(scatter)[1][:, 0]
    return np.asarray(up if up @ mean > 0 else -up)
