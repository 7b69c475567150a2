"""The evidence decides what is solid: by the fusing network, or by weights set by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from configs.stages import MergeConfig
from tasks.fusion.decision.connect import tie_loose_parts
from tasks.fusion.decision.iso_level import balance, keep_volume
from tasks.fusion.decision.network import Fuser, log_odds
from tasks.fusion.decision.network_inputs import evidence_channels
from tasks.fusion.decision.weighted.segmentation import segment
from tasks.fusion.evidence.fields import PosedField
from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.profile import ProfileFit
from tasks.fusion.evidence.symmetry import warp_to_profile
from tasks.fusion.grid import CylinderGrid, Field

LIKELY_GAP = -1.0
"""Log-odds of the fusing network below which no wall is drawn to tie loose parts."""

LEVEL_REACH = 1.5
"""Log-odds by which the surface of the fusing network is moved at most to keep its volume."""


@dataclass(frozen=True)
class FusedField:
    """The fused field and what the frames say about it.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` positive inside.
        spread: ``(R, T, Z)`` standard deviation over the frames.
        fold: Order of the rotational symmetry that was used, 1 for none.
        kept: Mean share of the deviation from the revolved field that was kept.
        fields: The frames' fields with their corrected similarities.
    """

    grid: CylinderGrid
    field: Field
    spread: Field
    fold: int
    kept: float
    fields: list[PosedField]


def fuse_learned(
    evidence: Evidence, fit: ProfileFit, fuser: Fuser, config: MergeConfig
) -> FusedField:
    """Let the fusing network decide what is solid.

    Of a tyre without a rim it is one opinion of two: outlines and fields alone know its thin walls
    about as well, and err in other places.

    Args:
        evidence: See :func:`tasks.fusion.evidence.gather.gather_evidence`.
        fit: The tyre's outer profile.
        fuser: Trained on fields of the network that the evidence comes from.
        config: Parameters.
    """
    grid = evidence.grid
    channels = evidence_channels(evidence, fit.profile.radius)
    field = np.clip(log_odds(fuser, channels), -config.clip, config.clip)
    field = keep_volume(grid, field, lowest=-LEVEL_REACH, highest=LEVEL_REACH / 3.0)
    if evidence.bare:
        return _fused(evidence, 0.5 * (field + _weighted(evidence, fit, config)), config)
    share = np.asarray(1.0 / (1.0 + np.exp(-field)), np.float32)
    filled = np.where(evidence.hull.mean(axis=1) > 0.0, share.mean(axis=1), 0.0)
    likely = filled.astype(np.float32)
    tied = tie_loose_parts(
        grid, share, likely, field > LIKELY_GAP, thickness=config.tie * fit.profile.radius
    )
    field = np.where(tied > share, np.float32(0.5 * config.clip), field)
    return _fused(evidence, field, config)


def fuse_weighted(evidence: Evidence, fit: ProfileFit, config: MergeConfig) -> FusedField:
    """Decide what is solid by weights set by hand: for networks that bring no fuser.

    Args:
        evidence: See :func:`tasks.fusion.evidence.gather.gather_evidence`.
        fit: The tyre's outer profile.
        config: Parameters.
    """
    return _fused(evidence, _weighted(evidence, fit, config), config)


def _weighted(evidence: Evidence, fit: ProfileFit, config: MergeConfig) -> Field:
    grid, shell, field = evidence.grid, evidence.shell, evidence.blended.field
    if evidence.agreements and not evidence.bare:  # a bare tyre's black inside misleads
        share = segment(
            grid,
            field,
            evidence.hull,
            shell,
            evidence.agreements,
            evidence.fold,
            config,
            radius=fit.profile.radius,
        )
        share = gaussian_filter(share, (0.7, 0.0, 0.7), mode="nearest")  # takes the steps off
        return np.asarray(2.0 * config.clip * (share - 0.5), np.float32)
    field = balance(grid, field, evidence.expected, fit.profile.radius, lowest=-config.thin_parts)
    if shell.any():
        field = warp_to_profile(grid, field, _outer_radii(fit, grid), most=config.warp)
    depth = np.minimum(2.0 / grid.step * evidence.depth, config.clip)
    solid = np.where(shell, depth, -np.inf)
    return np.maximum(field, solid[:, None, :].astype(np.float32))


def _fused(evidence: Evidence, field: Field, config: MergeConfig) -> FusedField:
    """Cut a field down to the silhouettes and close it at the grid's border."""
    clip, step = config.clip, evidence.grid.step
    inside = np.clip(np.float32(2.0 / step) * evidence.hull, -clip, clip)
    field = np.minimum(field, inside)
    field[-1], field[:, :, 0], field[:, :, -1] = -clip, -clip, -clip
    kept = float(evidence.blended.kept.mean())
    return FusedField(evidence.grid, field, evidence.spread, evidence.fold, kept, evidence.fields)


def _outer_radii(fit: ProfileFit, grid: CylinderGrid) -> NDArray[np.float64]:
    """Radius of the fitted profile at every height where its surface faces outwards."""
    curve = fit.profile.curve()
    count = len(curve)
    facing = np.r_[-count // 6 : count // 6 + 1]
    r, z = curve[facing].T
    order = np.argsort(z)
    return np.asarray(np.interp(grid.heights, z[order], r[order], left=0.0, right=0.0))
