"""The field that weights set by hand decide, without a fusing network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from configs.stages import MergeConfig
from tasks.fusion.decision.iso_level import preserve_volume_by_radius
from tasks.fusion.decision.weighted.segmentation import segment
from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.profile import ProfileFit
from tasks.fusion.evidence.symmetry import warp_to_profile
from tasks.fusion.grid import CylinderGrid, Field


def weighted_field(evidence: Evidence, fit: ProfileFit, config: MergeConfig) -> Field:
    """Segment the evidence, or, without usable photos, fit the fields to outlines and volume.

    Args:
        evidence: See :func:`tasks.fusion.evidence.gather.gather_evidence`.
        fit: The tyre's outer profile.
        config: Parameters.

    Returns:
        ``(R, T, Z)`` float32 log-odds, positive inside.
    """
    grid, radius = evidence.grid, fit.profile.radius
    # photos of the black inside of a tyre without a rim mislead
    if evidence.consistencies and not evidence.without_rim:
        occupancy = segment(
            grid,
            evidence.symmetrised.field,
            evidence.hull,
            evidence.shell,
            evidence.consistencies,
            evidence.symmetry_order,
            config.weighted,
            radius=radius,
            wall_thickness=config.shell_depth * radius,
        )
        # the occupancy is nearly binary: smoothing takes the steps of the grid off its surface
        occupancy = gaussian_filter(occupancy, (0.7, 0.0, 0.7), mode="nearest")
        return np.asarray(2.0 * config.max_log_density * (occupancy - 0.5), np.float32)
    field = preserve_volume_by_radius(
        grid,
        evidence.symmetrised.field,
        evidence.occupancy,
        radius,
        lowest=-config.weighted.max_level_shift,
    )
    if evidence.shell.any():
        outer = _outer_radii(fit, grid)
        field = warp_to_profile(grid, field, outer, max_change=config.weighted.max_radial_warp)
    depth = np.minimum(2.0 / grid.step * evidence.profile_depth, config.max_log_density)
    solid = np.where(evidence.shell, depth, -np.inf)
    return np.maximum(field, solid[:, None, :].astype(np.float32))


def _outer_radii(fit: ProfileFit, grid: CylinderGrid) -> NDArray[np.float64]:
    """Radius ``(Z,)`` of the fitted profile where its surface faces outwards, metres, 0 beyond."""
    curve = fit.profile.curve()
    count = len(curve)
    facing = np.r_[-count // 6 : count // 6 + 1]
    r, z = curve[facing].T
    order = np.argsort(z)
    return np.asarray(np.interp(grid.heights, z[order], r[order], left=0.0, right=0.0))
