"""Coarse cells in which a part of the surface could be hidden from the lattice's points.

The field between lattice points deviates from linear interpolation because the planes' terms do
(and because the network is curved). The gain, by how much the log-density deviates for a deviation
of the terms, is measured on the lattice itself, at its points near the surface; times the terms'
deviation within a cell it shows which cells may hide a surface.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tsr.network.field import PLANE_AXES
from tsr.surface.lattice import pool

Planes = Callable[[Tensor], Tensor]
"""Grid indices ``(M,)`` of an axis to the planes' terms ``(3, M, M, n)`` at their pairs."""

SAMPLES = 4
"""Samples per cell and axis: half a texel, on a lattice of 32 cells over 64 texels."""
QUANTILE = 0.98
"""The gain is this quantile of the ratios at the points near the surface."""


def hidden_score(planes: Planes, volume: Tensor, near: Tensor, stride: int, last: int) -> Tensor:
    """A score for each cell that the lattice shows no surface in; above 1 it may hide one.

    Args:
        planes: The terms of the field's planes.
        volume: ``(n + 1, n + 1, n + 1)`` values on the lattice.
        near: ``(n, n, n)`` bool, cells around the surface that the lattice shows.
        stride: The side of a cell of the lattice, in grid cells.
        last: The grid's last index; lattice points beyond it lie on it.

    Returns:
        ``(n, n, n)``, 0 where the lattice shows a surface.
    """
    n = len(near)
    fine = torch.arange(n * SAMPLES + 1, device=volume.device) * stride // SAMPLES
    terms = planes(fine.clamp_(max=last))  # (3, SAMPLES n + 1, same, width)
    corners = terms[:, ::SAMPLES, ::SAMPLES]
    gain = _gain(corners, volume, near)
    position = torch.arange(n * SAMPLES + 1, device=volume.device) / SAMPLES
    corner = torch.arange(n + 1, device=volume.device)
    weights = (1 - (position[:, None] - corner).abs()).clamp_(min=0)
    linear = torch.einsum("ai,pijc,bj->pabc", weights, corners, weights)
    largest = F.max_pool2d((terms - linear).norm(dim=-1), SAMPLES + 1, SAMPLES)  # (3, n, n)
    deviation = _over_cells(largest, n).sum(0)
    low, high = volume, volume
    for dim in range(3):
        low = torch.minimum(low.narrow(dim, 0, n), low.narrow(dim, 1, n))
        high = torch.maximum(high.narrow(dim, 0, n), high.narrow(dim, 1, n))
    nearest = torch.minimum(low.abs(), high.abs()).clamp_(min=1e-6)
    return torch.where(near, 0, gain * deviation / nearest)


def _gain(corners: Tensor, volume: Tensor, near: Tensor) -> Tensor:
    """Deviation of the values per deviation of the terms, near the surface."""
    near_points = F.max_pool3d(F.pad(near.float()[None], (1,) * 6), 2, 1)[0] > 0  # (n + 1)³
    ratios = []
    n = len(near)
    for axis in range(3):
        of_values = _deviation(volume, axis).abs()
        of_terms = torch.zeros_like(of_values)
        for plane, pair in enumerate(PLANE_AXES):
            if axis in pair:
                of_plane = _deviation(corners[plane], pair.index(axis)).norm(dim=-1)
                (other,) = {0, 1, 2} - set(pair)
                of_terms += of_plane.unsqueeze(other)
        valid = near_points.narrow(axis, 1, n - 1) & (of_terms > 0)
        ratios.append((of_values / of_terms)[valid])
    ratio = torch.cat(ratios)
    if not len(ratio):
        return volume.new_tensor(0.0)
    return ratio.sort().values[int(QUANTILE * (len(ratio) - 1))]


def _deviation(values: Tensor, axis: int) -> Tensor:
    """Deviation of inner points from the mean of their two neighbours along an axis."""
    n = values.shape[axis] - 2
    ends = values.narrow(axis, 0, n) + values.narrow(axis, 2, n)
    return values.narrow(axis, 1, n) - ends / 2


def _over_cells(maps: Tensor, n: int) -> Tensor:
    """Maps of the planes ``(3, n, n)``, repeated along the third axis: ``(3, n, n, n)``."""
    volumes = []
    for plane, pair in enumerate(PLANE_AXES):
        (other,) = {0, 1, 2} - set(pair)
        volumes.append(maps[plane].unsqueeze(other).expand(n, n, n))
    return torch.stack(volumes)


def curvature_score(volume: Tensor) -> Tensor:
    """A score for each cell of a lattice from its curvature; above 1 it may hide a surface.

    Linear interpolation over a cell is off by up to an eighth of the second difference per axis;
    twice that is allowed for.
    """
    curvature = torch.zeros_like(volume)
    n = len(volume) - 2
    for dim in range(3):
        second = volume.narrow(dim, 0, n) + volume.narrow(dim, 2, n) - 2 * volume.narrow(dim, 1, n)
        curvature.narrow(dim, 1, n).add_(second.abs())
    nearest = pool(volume[None].abs(), torch.minimum)
    largest = pool(curvature[None], torch.maximum)
    return (largest / 4 / nearest.clamp_(min=1e-6))[0]
