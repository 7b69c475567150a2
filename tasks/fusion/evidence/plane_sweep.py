"""Photo consistency by a plane sweep along the axle, over each face of the tyre.

A plane across the axle maps every frame onto the same grid by a homography. Where the plane cuts
the true surface, what the frames show there correlates; elsewhere it does not. Swept along the
axle, the correlation forms a volume whose ridges are the surface: sidewalls, flanges, spokes, hub,
and also barrel and tread, which the frames see at a slant. Its mean around the axle is the section
of a solid of revolution.

Plane sweep: Collins, A space-sweep approach to true multi-image matching, CVPR 1996. Taking the
best of several groups of neighbouring frames against occlusion: Kang, Szeliski and Chai, Handling
occlusions in dense multi-view stereo, CVPR 2001.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.fusion.grid import CylinderGrid, Field
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_grey
from tasks.imaging.resizing import bounded

FloatArray = NDArray[np.float64]
Image = NDArray[np.float32]

MIN_ELEVATION_DEG = 18.0
"""A frame counts for a face if it sees it at least this steeply."""

MAX_FRAMES = 40
"""Most frames used for a face."""

GROUP_SIZE = 5
"""Neighbouring frames that are compared with each other."""

MIN_CONSISTENCY = 0.1
"""Mean correlation that the best circle has to reach, or the face shows no texture."""

BEST_SHARE = 1 / 3
"""Share of the groups, the best ones, that count at a point; the others may be occluded."""

LOG_SCALE = 32.0
"""Units of :func:`_log_image` for a factor of e."""

TEXTURELESS_STD = 2.0
"""Standard deviation, in units of :func:`_log_image`, below which a patch has no texture."""

NOISE_STD = 0.8
"""Standard deviation of the images' noise, in units of :func:`_log_image`."""


@dataclass(frozen=True)
class PhotoConsistency:
    """How consistently the frames show a surface at every node, seen from one side.

    Args:
        value: ``(R, T, Z)`` float32 mean correlation of the frames, about 0 (none) to 1.
        radial: ``(R, T, Z)`` float32 radial component of the unit vector towards the frames that
            are consistent.
        axial: ``(R, T, Z)`` float32 component of that vector along the axle.
        textureless: ``(R, Z)`` float32 share of a circle on which the frames show no texture,
            0 to 1.
        brightness: ``(R, T, Z)`` float32 mean over the frames of the logarithm of the grey value,
            0 for black to about 5.5.
        brightness_std: ``(R, T, Z)`` float32 standard deviation of that logarithm over the frames:
            large where they look past a surface at different things, small on one, textured or
            not.
    """

    value: Field
    radial: Field
    axial: Field
    textureless: Field
    brightness: Field
    brightness_std: Field


def photo_consistency(
    grid: CylinderGrid,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    side: int,
    *,
    window: int = 7,
    longest_px: int = 960,
) -> PhotoConsistency | None:
    """Sweep a plane along the axle and compare the frames that see one face.

    Args:
        grid: Grid at whose nodes the consistency is sampled.
        cameras: Cameras of the full-size frames, posed in the tyre frame.
        frame_paths: Images of the posed frames.
        side: +1 for the face towards +z, -1 for the other.
        window: Side of the compared patches in steps of the sweep's grid.
        longest_px: Longest side to which images are reduced, pixels.

    Returns:
        The consistency, or None if fewer than three frames see the face or it shows no texture.
    """
    chosen = _frames_of_face(cameras, frame_paths, side)
    if len(chosen) < 3:
        return None
    size = min(GROUP_SIZE, len(chosen))
    starts = range(0, len(chosen) - size + 1, max(1, size // 2))
    groups = [chosen[k : k + size] for k in starts]
    images, posed = {}, {}
    for index in chosen:
        image = _log_image(frame_paths[index], longest_px)
        images[index] = image
        posed[index] = cameras[index].resized(image.shape[1], image.shape[0])
    reach = float(grid.radii[-1])
    steps = 3 * len(grid.radii) + 14
    cell = 2.0 * reach / steps
    to_plane = np.array(
        [[cell, 0, 0.5 * cell - reach], [0, cell, 0.5 * cell - reach], [0.0, 0.0, 1.0]]
    )
    line = (np.arange(steps) + 0.5) * cell - reach
    x, y = np.meshgrid(line, line)
    outwards = np.stack([x, y]) / np.maximum(np.hypot(x, y), cell)
    r, t = np.meshgrid(grid.radii, grid.angles, indexing="ij")
    column = ((r * np.cos(t) + reach) / cell - 0.5).astype(np.float32)
    row = ((r * np.sin(t) + reach) / cell - 0.5).astype(np.float32)
    centres = [np.mean([posed[i].centre for i in g], axis=0) for g in groups]
    best = max(min(2, len(groups)), round(BEST_SHARE * len(groups)))
    fields = np.zeros((6, *grid.shape), np.float32)
    for k, z in enumerate(grid.heights):
        flat = {}
        plain, total, squares = np.zeros((3, steps, steps), np.float32)
        for i in chosen:
            flat[i], mean, deviation = _rectified(images[i], posed[i], z, to_plane, steps, window)
            plain += (deviation < TEXTURELESS_STD) / np.float32(len(chosen))
            level = mean / np.float32(LOG_SCALE)
            total += level / np.float32(len(chosen))
            squares += level * level / np.float32(len(chosen))
        score = np.stack([_correlation([flat[i] for i in g], window) for g in groups])
        order = np.argpartition(-score, best - 1, axis=0)[:best]
        value = np.take_along_axis(score, order, axis=0).mean(axis=0)
        radial, axial = _directions(centres, x, y, float(z), outwards)
        found = (
            value,
            np.take_along_axis(radial, order, axis=0).mean(axis=0),
            np.take_along_axis(axial, order, axis=0).mean(axis=0),
            plain,
            total,
            np.sqrt(np.maximum(squares - total * total, 0.0)),
        )
        for out, plane in zip(fields, found, strict=True):
            out[:, :, k] = cv2.remap(
                plane.astype(np.float32),
                column,
                row,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
    if float(fields[0].mean(axis=1).max()) < MIN_CONSISTENCY:
        return None
    correlation, outward, along, plain_share, brightness, brightness_std = fields
    return PhotoConsistency(
        correlation, outward, along, plain_share.mean(axis=1), brightness, brightness_std
    )


def _frames_of_face(
    cameras: Mapping[int, Camera], frame_paths: Mapping[int, Path], side: int
) -> list[int]:
    """Frames that see a face, in order of their azimuth, evenly thinned."""
    found = []
    for index in set(cameras) & set(frame_paths):
        towards = cameras[index].centre / np.linalg.norm(cameras[index].centre)
        if towards[2] * side > math.sin(math.radians(MIN_ELEVATION_DEG)):
            found.append((math.atan2(towards[0], towards[2] * side), index))
    ordered = [index for _, index in sorted(found)]
    keep = np.unique(np.linspace(0, len(ordered) - 1, min(MAX_FRAMES, len(ordered))).round())
    return [ordered[int(k)] for k in keep]


def _log_image(path: Path, longest_px: int) -> Image:
    """Logarithm of the grey values ``(H, W)``: it turns a change of exposure into an offset."""
    image = bounded(read_grey(path), longest_px)
    return np.asarray(LOG_SCALE * np.log1p(image.astype(np.float32)), np.float32)


def _rectified(
    image: Image, camera: Camera, z: float, to_plane: FloatArray, steps: int, window: int
) -> tuple[Image, Image, Image]:
    """Rectify a frame onto a plane across the axle and normalise it in windows.

    Returns:
        The image less its local mean, over its local standard deviation; that mean; that standard
        deviation; all ``(steps, steps)`` float32.
    """
    intrinsics = np.array(
        [[camera.fx, 0.0, camera.cx - 0.5], [0.0, camera.fy, camera.cy - 0.5], [0.0, 0.0, 1.0]]
    )
    plane = np.stack(
        [
            camera.rotation[:, 0],
            camera.rotation[:, 1],
            camera.rotation[:, 2] * z + camera.translation,
        ],
        axis=1,
    )
    flat = cv2.warpPerspective(
        image,
        intrinsics @ plane @ to_plane,
        (steps, steps),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mean = cv2.blur(flat, (window, window))
    variance = np.maximum(cv2.blur(flat * flat, (window, window)) - mean * mean, 0.0)
    normed = (flat - mean) / np.sqrt(variance + NOISE_STD**2)
    return np.asarray(normed, np.float32), np.asarray(mean, np.float32), np.sqrt(variance)


def _correlation(flat: Sequence[Image], window: int) -> Image:
    """Mean over all pairs of the correlation in windows, from the sum and the sum of squares."""
    total = np.sum(flat, axis=0)
    squares = np.sum([f * f for f in flat], axis=0)
    pairs = len(flat) * (len(flat) - 1)
    return np.asarray(cv2.blur((total * total - squares) / pairs, (window, window)), np.float32)


def _directions(
    centres: Sequence[FloatArray], x: FloatArray, y: FloatArray, z: float, outwards: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Radial and axial part of the unit vectors from a plane's points to the groups' centres."""
    radial, axial = [], []
    for centre in centres:
        dx, dy, dz = centre[0] - x, centre[1] - y, centre[2] - z
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        radial.append((dx * outwards[0] + dy * outwards[1]) / length)
        axial.append(dz / length)
    return np.stack(radial), np.stack(axial)
