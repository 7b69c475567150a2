"""The frames' fields, sampled in the common grid and combined by a robust mean.

Robust mean: iteratively reweighted least squares with Cauchy weights (Holland and Welsch, Robust
regression using iteratively reweighted least-squares, Comm. Statistics 6, 1977).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.core.parallel import in_threads
from tasks.fusion.grid import CylinderGrid, Field
from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity
from tsr.network.field import surface_raw_density
from tsr.system import TSR

FloatArray = NDArray[np.float64]

BORE_SHARE = 0.35
"""Share of the outer radius within which any rim has something and a tyre without one nothing."""


class FrameField(Protocol):
    """A frame's density and colour field, in its own crop frame."""

    def log_density(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-density less that of the surface at ``(N, 3)``: positive inside, ``(N,)``."""

    def colours(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Colours at ``(N, 3)``, ``(N, 3)`` sRGB in 0..1."""


class NetworkField:
    """The field of one scene code.

    Args:
        model: The network.
        code: ``(3, C, H, W)`` scene code.
    """

    def __init__(self, model: TSR, code: torch.Tensor) -> None:
        self._model = model
        self._code = code

    @torch.inference_mode()
    def _query(self, points: NDArray[np.float32], key: str) -> NDArray[np.float32]:
        device = next(self._model.parameters()).device
        out = self._model.renderer.query_triplane(
            self._model.decoder,
            torch.from_numpy(np.ascontiguousarray(points)).to(device),
            self._code.to(device=device, dtype=torch.float32),
        )
        value: NDArray[np.float32] = out[key].float().cpu().numpy()
        return value

    def log_density(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-density less that of the surface at ``(N, 3)``."""
        raw = self._query(points, "density")[:, 0]
        level = surface_raw_density(self._model.renderer.cfg)
        return np.asarray(raw - np.float32(level), np.float32)

    def colours(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Colours at ``(N, 3)``."""
        # not PyTorch's sigmoid: it rounds otherwise where a thread's share of the points ends
        raw = self._query(points, "features")
        return np.asarray(1.0 / (1.0 + np.exp(-raw)), np.float32)


@dataclass(frozen=True)
class PosedField:
    """A frame's field with its camera and the similarity from the tyre frame to the crop frame."""

    index: int
    field: FrameField
    camera: Camera
    to_crop: Similarity


def sample_fields(
    fields: Sequence[PosedField],
    grid: CylinderGrid,
    inside: NDArray[np.bool_],
    *,
    bound: float,
) -> NDArray[np.float32]:
    """Clipped log-density of every frame at the grid's nodes, whose angles are even in number.

    A network's field is coarser than the grid around the axle: every second angle is evaluated,
    the others lie between.

    Args:
        fields: Posed fields.
        grid: The common grid.
        inside: ``(R, T, Z)`` nodes to evaluate; the others are known to be empty.
        bound: Bound of the log-density on either side of 0.

    Returns:
        ``(N, R, T, Z)`` float32.
    """
    every_other = CylinderGrid(grid.radii, grid.angles[::2], grid.heights)
    needed = (inside | np.roll(inside, -1, axis=1))[:, ::2]
    needed |= np.roll(inside, 1, axis=1)[:, ::2]
    points = every_other.points()[needed.reshape(-1)].astype(np.float64)
    out = np.full((len(fields), *grid.shape), -bound, np.float32)
    for row, posed in zip(out, fields, strict=True):
        half = np.full(every_other.shape, -bound, np.float32)
        local = posed.to_crop.apply(points).astype(np.float32)
        half[needed] = np.clip(posed.field.log_density(local), -bound, bound)
        row[:, ::2] = half
        row[:, 1::2] = 0.5 * (half + np.roll(half, -1, axis=1))
        row[~inside] = -bound
    return out


def visibility_weights(
    fields: Sequence[PosedField], grid: CylinderGrid, fused: Field, *, floor: float
) -> NDArray[np.float32]:
    """How well each frame sees each node: full weight facing its camera, little where occluded.

    The weight falls with the depth of solid that lies between node and camera in the fused field,
    found by marching from the node towards the camera, and rises with the incidence.

    Args:
        fields: Posed fields.
        grid: The common grid.
        fused: ``(R, T, Z)`` float32 first estimate of the fused log-density.
        floor: Weight of a frame at a node that it cannot see, 0 to 1.

    Returns:
        ``(N, R, T, Z)`` float32, ``floor`` to 1.
    """
    coarse = CylinderGrid(grid.radii[::2], grid.angles[::2], grid.heights[::2])
    occupied = (fused[::2, ::2, ::2] > 0).astype(np.float32)
    nodes = coarse.points().astype(np.float64)
    radius = float(grid.radii[-1])
    step = 2.0 * coarse.step

    def weights_of(posed: PosedField) -> FloatArray:
        towards = posed.camera.centre - nodes
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        solid = np.zeros(len(nodes))
        limit_z = float(grid.heights[-1])
        for k in range(1, math.ceil(2.2 * radius / step)):
            p = nodes + (k * step) * towards
            within = (np.hypot(p[:, 0], p[:, 1]) < radius) & (np.abs(p[:, 2]) < limit_z)
            if not within.any():
                break
            rows = np.nonzero(within & (solid < 0.25 * radius))[0]
            solid[rows] += step * coarse.sample(occupied, p[rows])
        weight = np.exp(-np.maximum(solid - step, 0.0) / (0.08 * radius))
        full = weight.reshape(coarse.shape)
        return floor + (1.0 - floor) * _double(full, grid.shape)

    return np.stack(list(in_threads(weights_of, fields))).astype(np.float32)


def frame_overlaps(values: NDArray[np.float32], grid: CylinderGrid, fused: Field) -> FloatArray:
    """How much each frame's solid overlaps with the fused one.

    Args:
        values: ``(N, R, T, Z)`` float32 log-densities of the frames.
        grid: The common grid.
        fused: ``(R, T, Z)`` float32 first estimate of the fused log-density.

    Returns:
        ``(N,)`` float64 volume IoU over the largest of the frames, 0 to 1; all 1 if nothing is
        solid.
    """
    volume = np.broadcast_to(grid.radii[:, None, None], grid.shape)
    solid = fused > 0
    overlap = [
        float(volume[(v > 0) & solid].sum()) / max(float(volume[(v > 0) | solid].sum()), 1e-9)
        for v in values
    ]
    largest = max(overlap)
    return np.asarray(overlap) / largest if largest > 0 else np.ones(len(values))


def lacks_rim(grid: CylinderGrid, values: NDArray[np.float32]) -> bool:
    """Whether most frames see nothing in the middle of the tyre: it has no rim.

    Every frame is tested by itself: where each has a disc but at another depth, their mean has a
    hole.

    Args:
        grid: The common grid.
        values: ``(N, R, T, Z)`` float32 log-densities of the frames.
    """
    inner = values[:, grid.radii < BORE_SHARE * grid.radii[-1]].mean(axis=2)  # (N, R', Z)
    return bool(np.median((inner > 0).mean(axis=(1, 2))) < 0.01)


def _double(values: FloatArray, shape: tuple[int, int, int]) -> FloatArray:
    """Repeat values of every second node to the full grid."""
    for axis, n in enumerate(shape):
        values = np.repeat(values, 2, axis=axis).take(np.arange(n), axis=axis, mode="clip")
    return values


def robust_mean(
    values: NDArray[np.float32], weights: NDArray[np.float32], *, robust_scale: float
) -> tuple[Field, Field, Field]:
    """Weighted mean over the frames in which values far from it count less.

    Args:
        values: ``(N, ...)`` float32.
        weights: ``(N, ...)`` float32, not negative.
        robust_scale: Distance from the mean at which a value's weight is halved, in its unit.

    Returns:
        The mean, the weighted standard deviation, and the effective number of frames, each
        ``(...)``.
    """
    w = weights
    mean = (w * values).sum(0) / np.maximum(w.sum(0), 1e-6)
    for _ in range(2):
        w = weights / (1.0 + ((values - mean) / robust_scale) ** 2)
        mean = (w * values).sum(0) / np.maximum(w.sum(0), 1e-6)
    variance = (w * (values - mean) ** 2).sum(0) / np.maximum(w.sum(0), 1e-6)
    effective = weights.sum(0) ** 2 / np.maximum((weights**2).sum(0), 1e-6)
    return mean, np.sqrt(variance), effective
