"""Where a scene code's planes could hide a part from the coarse lattice.

The field between lattice points deviates from linear interpolation because the planes' terms do
(and because the network is curved). How far the log-density deviates when the terms deviate by so
much is read off the lattice itself, at its points near the surface; with this gain the terms'
deviation within a cell says which cells may hide a surface.
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
"""Per cell and axis: half a texel, on a lattice of 32 cells over 64 texels."""
QUANTILE = 0.98


def hidden_score(planes: Planes, volume: Tensor, near: Tensor, stride: int, last: int) -> Tensor:
    """How likely each cell hides a change of sign: above 1 it may.

    Args:
        planes: The field's planes.
        volume: ``(n + 1, n + 1, n + 1)`` values on the lattice.
        near: ``(n, n, n)`` bool, cells around the surface that the lattice shows.
        stride: Grid cells to a cell of the lattice.
        last: The grid's last index; lattice points beyond it lie on it.

    Returns:
        ``(n, n, n)``, 0 where the lattice shows a surface.
    """
    n = len(near)
    fine = torch.arange(n * SAMPLES + 1, device=volume.device) * stride // SAMPLES
    terms = planes(fine.clamp_(max=last))  # (3, SAMPLES n + 1, same, width)
    corners = terms[:, ::SAMPLES, ::SAMPLES]
    gain = _gain(corners, volume, near)
    at = torch.arange(n * SAMPLES + 1, device=volume.device) / SAMPLES
    hat = (1 - (at[:, None] - torch.arange(n + 1, device=volume.device)).abs()).clamp_(min=0)
    linear = torch.einsum("ai,pijc,bj->pabc", hat, corners, hat)
    rough = F.max_pool2d((terms - linear).norm(dim=-1), SAMPLES + 1, SAMPLES)  # (3, n, n)
    deviation = _over_cells(rough, n).sum(0)
    low, high = volume, volume
    for dim in range(3):
        low = torch.minimum(low.narrow(dim, 0, n), low.narrow(dim, 1, n))
        high = torch.maximum(high.narrow(dim, 0, n), high.narrow(dim, 1, n))
    nearest = torch.minimum(low.abs(), high.abs()).clamp_(min=1e-6)
    return torch.where(near, 0, gain * deviation / nearest)


def _gain(corners: Tensor, volume: Tensor, near: Tensor) -> Tensor:
    """Deviation of the value per deviation of the terms, near the surface."""
    touched = F.max_pool3d(F.pad(near.float()[None], (1,) * 6), 2, 1)[0] > 0  # (n + 1)³
    ratios = []
    n = len(near)
    for axis in range(3):
        value = _bend(volume, axis).abs()
        moved = torch.zeros_like(value)
        for plane, pair in enumerate(PLANE_AXES):
            if axis in pair:
                term = _bend(corners[plane], pair.index(axis)).norm(dim=-1)
                (other,) = {0, 1, 2} - set(pair)
                moved += term.unsqueeze(other)
        here = touched.narrow(axis, 1, n - 1) & (moved > 0)
        ratios.append((value / moved)[here])
    ratio = torch.cat(ratios)
    if not len(ratio):
        return volume.new_tensor(0.0)
    return ratio.sort().values[int(QUANTILE * (len(ratio) - 1))]


def _bend(values: Tensor, axis: int) -> Tensor:
    """Deviation of inner points from the mean of their two neighbours along an axis."""
    n = values.shape[axis] - 2
    ends = values.narrow(axis, 0, n) + values.narrow(axis, 2, n)
    return values.narrow(axis, 1, n) - ends / 2


def _over_cells(maps: Tensor, n: int) -> Tensor:
    """Maps of the planes ``(3, n, n)`` spread over the cells, ``(3, n, n, n)``."""
    spread = []
    for plane, pair in enumerate(PLANE_AXES):
        (other,) = {0, 1, 2} - set(pair)
        spread.append(maps[plane].unsqueeze(other).expand(n, n, n))
    return torch.stack(spread)


def curvature_score(volume: Tensor) -> Tensor:
    """How likely each cell of a lattice hides a change of sign, by its curvature: above 1 it may.

    Linear interpolation over a cell is off by up to an eighth of the second difference per axis;
    twice that is allowed for.
    """
    bend = torch.zeros_like(volume)
    n = len(volume) - 2
    for dim in range(3):
        second = volume.narrow(dim, 0, n) + volume.narrow(dim, 2, n) - 2 * volume.narrow(dim, 1, n)
        bend.narrow(dim, 1, n).add_(second.abs())
    cells = volume[None], bend[None]
    low, wrong = pool(cells[0].abs(), torch.minimum), pool(cells[1], torch.maximum)
    return (wrong / 4 / low.clamp_(min=1e-6))[0]
