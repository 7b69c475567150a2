"""How far the outlines in the frames lie off the mesh: what cameras that are a little wrong leave.

Cameras that are half a degree off still give masks that overlap the mesh by 0.98; the tyre's edges
in the images, which are seen to a fraction of a pixel, no longer meet on one surface.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.geometry.camera import Camera
from tasks.mesh.merged import MergedMesh
from tasks.surface.contour_generators import touches_of
from tasks.surface.heights import field_over, grid_on, mesh_heights
from tasks.surface.profile import fit_outer_profile

_STEP_M = 0.004
"""Grid of the heights: a tread's blocks are larger, and a finer one tells no more."""


@dataclass(frozen=True)
class OutlineMisfit:
    """How far outlines lie off a mesh; not a number where its surface does not turn with an axle.

    Args:
        percent: Share of the diameter, as
            :attr:`tasks.surface.contour_generators.Touches.misfit_m`.
        pixel_percent: What a pixel of the frames covers, of the diameter.
    """

    percent: float
    pixel_percent: float


def outline_misfit(
    mesh: MergedMesh,
    cameras: Mapping[int, Camera],
    frame_paths: Mapping[int, Path],
    alpha_paths: Mapping[int, Path],
) -> OutlineMisfit:
    """Compare the edges of the tyre in frames with the mesh.

    Args:
        mesh: The mesh.
        cameras: The cameras of the frames to look at, by index, in the mesh's frame.
        frame_paths: Images of the frames.
        alpha_paths: Their masks.
    """
    profile = fit_outer_profile(mesh.vertices, mesh.faces)
    if profile is None:
        return OutlineMisfit(math.nan, math.nan)
    grid = grid_on(profile, _STEP_M)
    heights = mesh_heights(mesh.vertices, mesh.faces, mesh.inferred, grid)
    touches = touches_of(cameras, frame_paths, alpha_paths, field_over(grid, heights.height))
    per_diameter = 100.0 / (2.0 * float(profile.points[:, 0].max()))
    return OutlineMisfit(per_diameter * touches.misfit_m, per_diameter * touches.pixel_size)
