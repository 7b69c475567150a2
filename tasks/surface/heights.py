"""The outer surface of a mesh as heights over a common profile, by angle and arc length.

The mesh gives a height everywhere. Where the tyre's outline in a frame touches the surface, the
edge in the image corrects it: an outline is seen to a fraction of a pixel, the mesh is on a grid.
Apparent contours: Cipolla and Giblin, Visual motion of curves and surfaces, Cambridge, 2000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tasks.geometry.ray_caster import CENTIMETRES, RayCaster
from tasks.surface.profile import OuterProfile

FloatArray = NDArray[np.float64]

_ABOVE_M = 0.02
"""Rays start so far above the profile,"""
_FARTHEST_M = 0.012
"""and what they meet farther from it is another surface."""


@dataclass(frozen=True)
class SurfaceGrid:
    """Where heights are measured: cells of angle and arc length.

    Args:
        profile: The base, from the inner face's bead to the outer face's.
        columns: Angles of a turn.
        rows: Points along the profile, in equal steps.
    """

    profile: OuterProfile
    columns: int
    rows: int

    @property
    def angles(self) -> FloatArray:
        """``(columns,)`` radians clockwise from the top, as one sees them who looks at +Z."""
        return np.asarray((np.arange(self.columns) + 0.5) * (2 * math.pi / self.columns))

    @property
    def arc(self) -> FloatArray:
        """``(rows,)`` metres from the inner face's bead."""
        return np.asarray((np.arange(self.rows) + 0.5) * (self.profile.length / self.rows))

    @property
    def section(self) -> FloatArray:
        """``(rows, 2)`` radius and height along the axle, metres."""
        return self._at_rows(self.profile.points)

    @property
    def normals(self) -> FloatArray:
        """``(rows, 2)`` unit, outwards."""
        normals = self._at_rows(self.profile.normals)
        return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))

    def _at_rows(self, values: FloatArray) -> FloatArray:
        arc = self.profile.arc
        return np.stack([np.interp(self.arc, arc, values[:, k]) for k in range(2)], axis=1)

    def points(self) -> tuple[FloatArray, FloatArray]:
        """Points ``(rows, columns, 3)`` on the profile in the tyre frame, and their normals."""
        return self._around(self.section), self._around(self.normals)

    def _around(self, section: FloatArray) -> FloatArray:
        sine, cosine = np.sin(self.angles), np.cos(self.angles)
        along = np.broadcast_to(section[:, 1:], (self.rows, self.columns))
        return np.stack([section[:, :1] * sine, section[:, :1] * cosine, along], axis=-1)


def grid_on(profile: OuterProfile, step_m: float) -> SurfaceGrid:
    """A grid on a profile with about this step both ways, metres."""
    around = 2 * math.pi * float(profile.points[:, 0].max())
    return SurfaceGrid(
        profile, max(90, round(around / step_m)), max(8, round(profile.length / step_m))
    )


@dataclass(frozen=True)
class Heights:
    """Heights of a surface over a grid.

    Args:
        height: ``(rows, columns)`` metres along the normals; not finite where nothing is met.
        inferred: ``(rows, columns)`` where no frame saw the surface.
    """

    height: FloatArray
    inferred: NDArray[np.bool_]


def mesh_heights(
    vertices: NDArray[np.floating[Any]],
    faces: NDArray[np.integer[Any]],
    inferred: NDArray[np.bool_],
    grid: SurfaceGrid,
) -> Heights:
    """Heights of a mesh.

    Args:
        vertices: ``(V, 3)`` in the grid's frame, metres.
        faces: ``(F, 3)`` wound outwards.
        inferred: ``(V,)`` true where no frame saw the surface.
        grid: Where they are measured.
    """
    caster = RayCaster(vertices, faces, scale=CENTIMETRES)
    points, normals = grid.points()
    found = caster.intersect((points + _ABOVE_M * normals).reshape(-1, 3), -normals.reshape(-1, 3))
    height = _ABOVE_M - found.distance.astype(np.float64)
    met = (found.face >= 0) & (np.abs(height) < _FARTHEST_M)
    unseen = np.ones(len(height), np.bool_)
    unseen[met] = inferred[faces[found.face[met]]].all(axis=1)
    shape = grid.rows, grid.columns
    return Heights(np.where(met, height, np.nan).reshape(shape), unseen.reshape(shape))


@dataclass(frozen=True)
class Field:
    """Signed distance from a surface of heights, for points near it.

    Args:
        grid: The heights' grid.
        height: ``(rows, columns)`` metres, finite.
        origin: Radius and height of the first node of the table.
        distance: ``(R, Z)`` metres from the profile, positive outside.
        row: ``(R, Z)`` row of the nearest point of the profile.
    """

    grid: SurfaceGrid
    height: FloatArray
    origin: FloatArray
    distance: FloatArray
    row: FloatArray

    def at(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Distances ``(...)`` of points ``(..., 3)``, and column and row below each."""
        radius = np.hypot(points[..., 0], points[..., 1])
        turn = np.arctan2(points[..., 0], points[..., 1]) / (2 * math.pi) % 1.0
        column = turn * self.grid.columns - 0.5
        at = np.stack(
            [(radius - self.origin[0]) / _NODE_M, (points[..., 2] - self.origin[1]) / _NODE_M]
        )
        distance = map_coordinates(self.distance, at, order=1, mode="nearest")
        row = map_coordinates(self.row, at, order=1, mode="nearest")
        top = map_coordinates(self.height, [row, column], order=1, mode="grid-wrap")
        return distance - top, column, row


_NODE_M = 0.001
_AROUND_M = 0.06


def field_over(grid: SurfaceGrid, height: FloatArray) -> Field:
    """The field of a surface.

    Args:
        grid: The heights' grid.
        height: ``(rows, columns)`` metres; what is not finite counts as 0.
    """
    section = grid.profile.points
    low = section.min(axis=0) - _AROUND_M
    count = np.ceil((section.max(axis=0) + _AROUND_M - low) / _NODE_M).astype(int) + 1
    radius, along = (low[k] + _NODE_M * np.arange(count[k]) for k in (0, 1))
    r, z = np.meshgrid(radius, along, indexing="ij")
    nodes = np.stack([r.ravel(), np.zeros(r.size), z.ravel()], axis=1)
    arc, distance = grid.profile.unroll(nodes)
    row = arc / (grid.profile.length / grid.rows) - 0.5
    shape = tuple(count)
    filled = np.where(np.isfinite(height), height, 0.0)
    return Field(grid, filled, low, distance.reshape(shape), row.reshape(shape))
