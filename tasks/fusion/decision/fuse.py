"""Fusion of the evidence into one field: by the fusing network, or by weights set by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from configs.stages import MergeConfig
from tasks.fusion.decision.connect import connect_components
from tasks.fusion.decision.iso_level import volume_preserving_level
from tasks.fusion.decision.network import Fuser, log_odds
from tasks.fusion.decision.network_inputs import evidence_channels
from tasks.fusion.decision.openings import close_openings
from tasks.fusion.decision.weighted.weighted import weighted_field
from tasks.fusion.evidence.fields import PosedField
from tasks.fusion.evidence.gather import Evidence
from tasks.fusion.evidence.profile import ProfileFit
from tasks.fusion.grid import CylinderGrid, Field

MAX_GAP_LOG_ODDS = -1.0
"""Log-odds of the fusing network below which there is a gap, and no connecting wall is drawn."""

MAX_LEVEL = 1.5
"""Most log-odds by which the iso-level of the fusing network's field leaves zero downwards."""


@dataclass(frozen=True)
class FusedField:
    """The fused field and what the frames say about it.

    Args:
        grid: The common grid.
        field: ``(R, T, Z)`` float32 log-odds, positive inside.
        std: ``(R, T, Z)`` float32 standard deviation over the frames, log-density.
        symmetry_order: Order of the rotational symmetry that was used, 1 for none.
        kept: Mean share of the deviation from the rotational mean that was kept, 0 to 1.
        fields: The frames' fields with their corrected similarities.
    """

    grid: CylinderGrid
    field: Field
    std: Field
    symmetry_order: int
    kept: float
    fields: list[PosedField]


def fuse_learned(
    evidence: Evidence, fit: ProfileFit, fuser: Fuser, config: MergeConfig
) -> FusedField:
    """Let the fusing network decide what is solid.

    For a tyre without a rim its field and the weighted one are averaged: outlines and fields alone
    know thin walls about as well, and err in other places.

    Args:
        evidence: See :func:`tasks.fusion.evidence.gather.gather_evidence`.
        fit: The tyre's outer profile.
        fuser: Trained on fields of the network that the evidence comes from.
        config: Parameters.
    """
    grid, radius = evidence.grid, fit.profile.radius
    bound = config.max_log_density
    field = np.clip(log_odds(fuser, evidence_channels(evidence, radius)), -bound, bound)
    level = volume_preserving_level(grid, field, lowest=-MAX_LEVEL, highest=MAX_LEVEL / 3.0)
    field = np.asarray(field - level, np.float32)
    if evidence.without_rim:
        return _cut(evidence, 0.5 * (field + weighted_field(evidence, fit, config)), config)
    occupancy = np.asarray(1.0 / (1.0 + np.exp(-field)), np.float32)
    section = np.where(evidence.hull.mean(axis=1) > 0.0, occupancy.mean(axis=1), 0.0)
    connected = connect_components(
        grid,
        occupancy,
        section.astype(np.float32),
        field > MAX_GAP_LOG_ODDS,
        thickness=config.connection_thickness * radius,
    )
    field = np.where(connected > occupancy, np.float32(0.5 * bound), field)
    return _cut(evidence, close_openings(grid, field, radius=radius), config)


def fuse_weighted(evidence: Evidence, fit: ProfileFit, config: MergeConfig) -> FusedField:
    """Decide what is solid by weights set by hand: for models without a fusing network.

    Args:
        evidence: See :func:`tasks.fusion.evidence.gather.gather_evidence`.
        fit: The tyre's outer profile.
        config: Parameters.
    """
    return _cut(evidence, weighted_field(evidence, fit, config), config)


def _cut(evidence: Evidence, field: Field, config: MergeConfig) -> FusedField:
    """Cut a field down to the visual hull and close it at the grid's border."""
    bound, step = config.max_log_density, evidence.grid.step
    inside = np.clip(np.float32(2.0 / step) * evidence.hull, -bound, bound)
    field = np.minimum(field, inside)
    field[-1], field[:, :, 0], field[:, :, -1] = -bound, -bound, -bound
    return FusedField(
        grid=evidence.grid,
        field=field,
        std=evidence.std,
        symmetry_order=evidence.symmetry_order,
        kept=float(evidence.symmetrised.kept.mean()),
        fields=evidence.fields,
    )
