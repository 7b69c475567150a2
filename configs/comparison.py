"""How two reconstructions of one tyre are compared."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from configs.stages import StageConfig


class ComparisonStage(StrEnum):
    """Stages that a comparison has beside those of its reconstructions."""

    COMPARE = "compare"


class CompareConfig(StageConfig):
    """How two reconstructions of one tyre are compared.

    The limits of detection were set on pairs of films of one unchanged tyre; docs/compare.md tells
    which.
    """

    step_mm: float = Field(2.0, ge=0.5, le=10, description="grid of the surface, millimetres")
    cell_deg: float = Field(5.0, ge=1, le=30, description="cells of the maps, degrees round")
    cell_mm: float = Field(15.0, ge=5, le=60, description="cells of the maps, millimetres along")
    hidden_deg: float = Field(
        35.0, ge=0, le=90, description="outlines this close to the lowest point show the ground"
    )
    zone_floor_px: float = Field(
        0.45, ge=0, description="bias of a zone's mean between two films of one tyre, pixels"
    )
    cell_floor_px: float = Field(
        0.9, ge=0, description="the same of a cell's change, standard deviation, pixels"
    )
    sidewall_floor_px: float = Field(
        2.0,
        ge=0,
        description="the same where no outline shows the height all round, as on sidewalls",
    )
    max_misfit: float = Field(
        0.004,
        gt=0,
        le=0.05,
        description="spread of a film's outlines about the section that they show beyond which its "
        "cameras are too inexact, share of the diameter",
    )
    min_coverage: float = Field(
        0.3, ge=0, le=1, description="share of a zone that both films must show"
    )
    min_spot_mm: float = Field(30.0, gt=0, description="shortest flat spot that is told")
    min_spot_px: float = Field(
        1.2,
        gt=0,
        description="shallowest flat spot that is told, pixels of the film; blocks of a tread that "
        "did not change have shown 1.1",
    )
    min_local_px: float = Field(
        1.0, gt=0, description="shallowest bulge or dent that is told, pixels of the film"
    )
    spin_lead: float = Field(
        1.5,
        gt=1,
        description="what stands once on the sidewalls fits so many times better than at any other "
        "angle at which words fit, or with the other face, where the angle is certain",
    )
    spin_deviations: float = Field(
        4.5,
        gt=0,
        description="the same over all angles, in standard deviations; where words alone repeat "
        "it has reached 3",
    )
    tolerance_px: int = Field(
        2, ge=0, le=8, description="marks may lie so far off, pixels of the flattened sidewall"
    )
    min_difference: float = Field(
        0.25, gt=0, description="least difference of brightness, logarithmic"
    )
    difference_noises: float = Field(6.0, gt=0, description="the same, in the pair's noise")
    line_noises: float = Field(
        7.0, gt=0, description="a dark line on a sidewall stands out by so many spreads of its row"
    )
    patch_noises: float = Field(
        5.0, gt=0, description="a dark patch on the tread stands out by so many spreads of its row"
    )
    rough_times: float = Field(
        2.0,
        gt=1,
        description="a band of the tread is rougher where fine lines stand out so many times as "
        "much as on the rest of it",
    )
    min_visual_mm: float = Field(20.0, gt=0, description="shortest region that looks different")
    min_visual_px: float = Field(
        12.0, gt=0, description="the same, pixels of the coarser film on the tyre"
    )
    min_visual_mm2: float = Field(60.0, gt=0, description="smallest region that looks different")
    preview_bytes: int = Field(600_000, ge=100_000, description="bound of the mesh in the report")
    most_visual: int = Field(12, ge=1, description="regions of a sidewall that are told")


RESULT_SUFFIXES = (".glb", ".json", ".html")
"""What a finished result is named by; all else is a film or a folder of frames."""
COMPARED_SUFFIXES = (".json", ".html", ".csv", ".change.glb", ".placed.glb")
"""What is added to a comparison's name for its files."""
