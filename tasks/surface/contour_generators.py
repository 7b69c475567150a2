"""Where the outlines in the frames touch the surface, and how far off it they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates
from skimage.measure import find_contours

from tasks.core.parallel import in_threads
from tasks.geometry.camera import Camera
from tasks.imaging.images import read_image, read_mask
from tasks.imaging.masks import foreground, largest_filled
from tasks.surface.heights import Field
from tasks.surface.robust import robust_sd

FloatArray = NDArray[np.float64]

_BORDER_PX = 4.0
_TANGENT_PX = 4
"""Points of the contour to either side that its direction is taken from."""
_SEARCH_PX = 4.0
"""The image's edge is looked for so far on either side of the mask's."""
_STEP_PX = 0.25
_CENTROID_PX = 1.25
"""An edge is where the steps within so many pixels of the steepest have their middle."""
_PRIOR_PX = 2.0
"""The farther from the mask's edge, the stronger the image's edge must be."""
_LEAST_STEP = 6.0
"""Levels of 255 by which the tyre must differ from what is behind it."""
_SAMPLES = 96
_REFINED = 9
_FARTHEST_M = 0.008
"""Outlines farther off are not the tyre's own."""


@dataclass(frozen=True)
class Touches:
    """Points where outlines touch the surface.

    Args:
        row: ``(T,)`` of the grid.
        column: ``(T,)`` of the grid.
        offset: ``(T,)`` metres by which the image's edge lies outside of the surface.
        frame: ``(T,)`` the frame.
        pixel_m: ``(T,)`` what a pixel covers there.
        around: ``(T,)`` part of the ray's direction that runs round the tyre, 0 to 1: the larger,
            the less it tells at which angle it touches.
    """

    row: FloatArray
    column: FloatArray
    offset: FloatArray
    frame: NDArray[np.int64]
    pixel_m: FloatArray
    around: FloatArray

    @property
    def pixel_size(self) -> float:
        """What a pixel covers, metres, median; not a number without any."""
        return float(np.median(self.pixel_m)) if len(self.pixel_m) else math.nan

    @property
    def misfit_m(self) -> float:
        """Robust standard deviation of the outlines' distance from the surface, metres; likewise.

        It grows with every error of the cameras: a mesh can lie on the outlines of all frames only
        where these agree.
        """
        return robust_sd(self.offset, 0.0) if len(self.offset) else math.nan


def touches_of(
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
    field: Field,
) -> Touches:
    """What the outlines in frames say of a surface.

    Args:
        cameras: The cameras of the frames to look at, by index, in the field's frame.
        frame_paths: Images of the frames.
        alpha_paths: Their masks.
        field: Distances from the surface.
    """

    def touched(index: int) -> Touches:
        image, alpha = read_image(frame_paths[index]), read_mask(alpha_paths[index])
        return touches_in(edge_points(image, alpha), cameras[index], field, index)

    return joined(list(in_threads(touched, cameras)))


def joined(parts: Sequence[Touches]) -> Touches:
    """Touches of several frames."""
    names = [f.name for f in fields(Touches)]
    if not parts:
        return Touches(**{n: np.zeros(0, int if n == "frame" else float) for n in names})
    return Touches(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def edge_points(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> FloatArray:
    """Points ``(N, 2)`` of the tyre's outline, pixels, where the image shows an edge.

    Args:
        image: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` uint8, the mask of the tyre.
    """
    solid = largest_filled(foreground(alpha))
    soft = np.where(cv2.dilate(solid.astype(np.uint8), np.ones((5, 5))) > 0, alpha, 0)
    soft = np.where(solid, np.maximum(soft, 128), np.minimum(soft, 127)).astype(np.float32)
    blurred = cv2.GaussianBlur(soft, (0, 0), 1.5)
    contours: list[FloatArray] = find_contours(blurred, 127.5)  # type: ignore[no-untyped-call]
    if not contours:
        return np.zeros((0, 2))
    contour = max(contours, key=len)[:, ::-1] + 0.5
    contour = contour[:: max(1, len(contour) // 2400)]
    smooth = gaussian_filter1d(contour, 2.0, axis=0, mode="wrap")
    along = np.roll(smooth, -_TANGENT_PX, axis=0) - np.roll(smooth, _TANGENT_PX, axis=0)
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return _snapped(image, contour, normal)


def _snapped(image: NDArray[np.uint8], points: FloatArray, normal: FloatArray) -> FloatArray:
    """The points moved onto the strongest edge of the image nearby; those without one go."""
    height, width = image.shape[:2]
    offsets = np.arange(-_SEARCH_PX - 1, _SEARCH_PX + 1 + 1e-9, _STEP_PX)
    at = points[:, None] + offsets[None, :, None] * normal[:, None] - 0.5
    inside = (points > _BORDER_PX).all(axis=1) & (
        points < np.array([width, height]) - _BORDER_PX
    ).all(axis=1)
    smooth = cv2.GaussianBlur(image, (0, 0), 0.7).astype(np.float32)
    values = np.stack(
        [
            map_coordinates(smooth[..., k], [at[..., 1], at[..., 0]], order=1, mode="nearest")
            for k in range(3)
        ],
        axis=-1,
    )  # (N, S, 3)
    half = round(1.0 / _STEP_PX)
    step = values[:, 2 * half :] - values[:, : -2 * half]
    strength = np.linalg.norm(step, axis=-1) / np.sqrt(3.0)
    where = offsets[half:-half]
    likely = strength * np.exp(-0.5 * (where / _PRIOR_PX) ** 2)
    best = likely.argmax(axis=1)
    rows = np.arange(len(points))
    sharp = (strength[rows, best] > _LEAST_STEP) & inside
    near = np.abs(where - where[best][:, None])
    peak = np.where(near <= _STEP_PX * 3, strength, 0.0).argmax(axis=1)  # without the prior's pull
    sharp &= (peak > 0) & (peak < len(where) - 1)
    weight = np.where(np.abs(where - where[peak][:, None]) <= _CENTROID_PX, strength**2, 0.0)
    offset = (weight * where).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    return np.asarray((points + offset[:, None] * normal)[sharp])


def touches_in(points: FloatArray, camera: Camera, field: Field, frame: int) -> Touches:
    """Where the rays through points ``(N, 2)`` of an outline come closest to the surface."""
    grid = field.grid
    reach = 1.1 * float(np.hypot(*np.abs(grid.profile.points).max(axis=0)))
    rays, centre = camera.rays(points), camera.centre
    middle = -(rays @ centre)
    half = np.sqrt(np.maximum(reach**2 - (centre @ centre - middle**2), 0.0))
    rows = np.arange(len(points))
    t = middle[:, None] + half[:, None] * np.linspace(-1, 1, _SAMPLES)
    for step in (2 * half / (_SAMPLES - 1), None):
        value, column, row = field.at(centre + t[..., None] * rays[:, None])
        off = (row < 0.5) | (row > grid.rows - 1.5)  # beyond the beads
        value = np.where(off, np.inf, value)
        best = value.argmin(axis=1)
        if step is not None:
            t = t[rows, best][:, None] + step[:, None] * np.linspace(-1, 1, _REFINED)
    offset, depth = value[rows, best], t[rows, best]
    kept = np.isfinite(offset) & (np.abs(offset) < _FARTHEST_M)
    return Touches(
        row[rows, best][kept],
        column[rows, best][kept],
        offset[kept],
        np.full(int(kept.sum()), frame, np.int64),
        depth[kept] / camera.fx,
        _around(centre + depth[:, None] * rays, rays)[kept],
    )


def _around(points: FloatArray, rays: FloatArray) -> FloatArray:
    """Part of rays' directions ``(N,)`` that runs round the axle at points ``(N, 3)``."""
    x, y = points[:, 0], points[:, 1]
    across = (rays[:, 0] * y - rays[:, 1] * x) / np.maximum(np.hypot(x, y), 1e-9)
    return np.asarray(np.abs(across))
