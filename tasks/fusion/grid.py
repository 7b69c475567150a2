"""The common grid of the fusion: cylindrical coordinates about the axle.

A rotation is a roll of the array and the rotational mean a mean over one of its axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Field = NDArray[np.float32]


@dataclass(frozen=True)
class CylinderGrid:
    """Nodes at radius x angle x axle; arrays over it have shape ``(R, T, Z)``.

    Args:
        radii: ``(R,)`` metres, from 0 in equal steps.
        angles: ``(T,)`` radians from +x towards +y, from 0, the last before 2 pi.
        heights: ``(Z,)`` metres along the axle in equal steps.
    """

    radii: FloatArray
    angles: FloatArray
    heights: FloatArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along radius, angle and axle."""
        return len(self.radii), len(self.angles), len(self.heights)

    @property
    def step(self) -> float:
        """Spacing of the radii in metres."""
        return float(self.radii[1] - self.radii[0])

    def points(self) -> NDArray[np.float32]:
        """The nodes in the tyre frame, ``(R*T*Z, 3)`` float32."""
        r, t, z = np.meshgrid(self.radii, self.angles, self.heights, indexing="ij")
        return np.stack([r * np.cos(t), r * np.sin(t), z], axis=-1, dtype=np.float32).reshape(-1, 3)

    def sample(self, field: Field, points: FloatArray) -> Field:
        """Interpolate a field ``(R, T, Z)`` trilinearly at points ``(N, 3)``; clamped outside."""
        n_r, n_t, n_z = self.shape
        r = np.hypot(points[:, 0], points[:, 1]) / self.step
        t = np.arctan2(points[:, 1], points[:, 0]) % (2 * math.pi) / (2 * math.pi / n_t)
        z = (points[:, 2] - self.heights[0]) / (self.heights[1] - self.heights[0])
        r = np.clip(r, 0, n_r - 1.001)
        z = np.clip(z, 0, n_z - 1.001)
        i, j, k = r.astype(np.int64), t.astype(np.int64) % n_t, z.astype(np.int64)
        fr, ft, fz = r - i, t - np.floor(t), z - k
        flat = field.reshape(-1)
        out = np.zeros(len(points))
        for di, wi in ((0, 1 - fr), (1, fr)):
            for dj, wj in ((0, 1 - ft), (1, ft)):
                base = ((i + di) * n_t + (j + dj) % n_t) * n_z + k
                out += wi * wj * ((1 - fz) * flat[base] + fz * flat[base + 1])
        return out.astype(np.float32)


def make_grid(radius: float, half_width: float, *, steps: int, angles: int) -> CylinderGrid:
    """A grid that holds a tyre with some margin.

    Args:
        radius: Outer radius in metres.
        half_width: Half of the width in metres.
        steps: Number of radial steps from the axle to the outer radius; steps along the axle are
            as long.
        angles: Number of steps around the axle.
    """
    step = radius / steps
    n_r = math.ceil(1.06 * steps) + 2
    n_z = math.ceil(1.12 * half_width / step) + 2
    return CylinderGrid(
        radii=np.arange(n_r, dtype=np.float64) * step,
        angles=np.arange(angles, dtype=np.float64) * (2 * math.pi / angles),
        heights=np.arange(-n_z, n_z + 1, dtype=np.float64) * step,
    )


def gradient_norm(grid: CylinderGrid, field: Field) -> Field:
    """Length of a field's gradient per metre at the nodes (of the radial and axial part)."""
    dr = np.gradient(field, grid.step, axis=0)
    dz = np.gradient(field, grid.step, axis=2)
    return np.hypot(dr, dz).astype(np.float32)
