"""Parameters of the merge."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MergeConfig(BaseModel):
    """Parameters of the merge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mc_resolution: int = Field(
        256, ge=32, le=1024, description="voxels along the longest side when marching"
    )
    diameter_mm: float = Field(
        720.0, ge=50.0, le=5000.0, description="outer diameter of the tyre, millimetres"
    )
    grid_steps: int = Field(
        64, ge=16, le=256, description="radial steps of the fusion grid, axle to outer radius"
    )
    grid_angles: int = Field(
        192, ge=48, le=1024, multiple_of=4, description="steps around the axle"
    )
    clip: float = Field(4.0, ge=0.5, le=20.0, description="bound of a frame's log-density")
    spread: float = Field(
        3.0, ge=0.1, le=20.0, description="log-density from the mean at which trust is halved"
    )
    hidden_weight: float = Field(
        0.05, ge=0.001, le=1.0, description="weight of a frame where it cannot see"
    )
    symmetry: float = Field(
        2.0, ge=0.0, le=100.0, description="how strongly deviations from the revolved field shrink"
    )
    refine_gain: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="relative gain from which a frame's scale and shift are corrected, 1 for never",
    )
    network: float = Field(
        0.5, ge=0.0, le=10.0, description="weight of the network's log-density in the segmentation"
    )
    trust: float = Field(
        2.0, ge=0.0, le=20.0, description="power of a frame's overlap with the others in its weight"
    )
    stereo: float = Field(
        25.0, ge=0.0, le=200.0, description="weight of where the photos agree in the segmentation"
    )
    stereo_reach: float = Field(
        0.7, ge=0.5, le=5.0, description="reach of agreed surfaces into their solid, grid steps"
    )
    even: float = Field(
        5.0, ge=0.0, le=20.0, description="weight of an evenly coloured disc, where photos see one"
    )
    boundary: float = Field(2.5, ge=0.1, le=20.0, description="cost of boundary off the photos")
    ridge: float = Field(
        0.06, ge=0.005, le=10.0, description="agreement at which boundary costs a third"
    )
    thin_parts: float = Field(
        2.0,
        ge=0.0,
        le=10.0,
        description="most log-density by which thin parts are lifted where no photo helps",
    )
    shell: float = Field(
        0.045,
        ge=0.0,
        le=0.5,
        description="depth, in radii, to which the tyre is solid below what the outlines touch",
    )
    tie: float = Field(
        0.02,
        ge=0.0,
        le=0.5,
        description="thickness, in radii, of walls that tie parts which the fuser leaves loose",
    )
    warp: float = Field(
        0.06, ge=0.0, le=0.3, description="largest relative change of radius to meet the outlines"
    )
    outlier_masks: int = Field(
        1, ge=0, le=5, description="masks that may be wrong about a point when carving"
    )
    margin_px: float = Field(
        2.0, ge=0.0, le=20.0, description="widening of the masks, pixels at mask_px"
    )
    mask_px: int = Field(640, ge=64, le=4096, description="longest side of the masks, pixels")
    colour_px: int = Field(1280, ge=64, le=8192, description="longest side of the images, pixels")
    colour_frames: int = Field(3, ge=1, le=16, description="frames blended at a vertex")
    smoothing: int = Field(3, ge=0, le=50, description="rounds of Taubin smoothing")
    face_budget: int = Field(
        0, ge=0, le=20_000_000, description="most faces of the mesh, 0 for no reduction"
    )
