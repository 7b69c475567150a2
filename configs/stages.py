"""The stages' names and parameters: frozen, bounded, each default stated once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from configs.presets import (
    DEFAULT_DIAMETER_MM,
    DEFAULT_MOTION,
    DEFAULT_PRESET,
    DEFAULT_SESSION,
    PRESETS,
    MotionHint,
)

Precision = Literal["auto", "fp32", "bf16"]

McResolution = Annotated[
    int, Field(ge=32, le=1024, description="samples along the volume's longest side")
]
DiameterMm = Annotated[
    float, Field(ge=50, le=5000, description="outer diameter of the tyre, millimetres")
]
NumFrames = Annotated[int, Field(ge=1, le=64, description="frames given to the network")]
Session = Annotated[str, Field(description="background removal, by name")]
SessionPrecision = Annotated[
    Precision, Field(description="arithmetic of the network; auto: bf16 where it is native")
]
MinArea = Annotated[float, Field(gt=0, lt=1, description="share of the frame a tyre must fill")]
_MIN_AREA = 0.01


class StageName(StrEnum):
    """The stages in their order; the one spelling for errors, progress, metadata, API and UI."""

    EXTRACT = "extract"
    INSPECT = "inspect"
    REMOVE_BACKGROUNDS = "remove-backgrounds"
    ESTIMATE_POSES = "estimate-poses"
    RECTIFY = "rectify"
    SELECT = "select"
    INFER = "infer"
    MERGE = "merge"
    JUDGE = "judge"
    ATLAS = "atlas"
    EXPORT = "export"
    REPORT = "report"


MESH_STAGE = StageName.MERGE
"""The stage whose artifact is the tyre's mesh to those who look it up after a run."""


class StageConfig(BaseModel):
    """Base of all stage parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ExtractConfig(StageConfig):
    """Which frames of a video become candidates, and how they are written."""

    max_candidates: int = Field(48, ge=2, le=1000, description="frames kept, evenly in time")
    max_side_px: int = Field(1920, ge=64, le=8192, description="bound of the longest side")
    min_side_px: int = Field(32, ge=1, description="smaller frames are refused")
    max_source_px: int = Field(
        100_000_000, ge=1, description="frames with more pixels are refused, unread where possible"
    )
    min_present: float = Field(
        0.9, ge=0, le=1, description="share of a cut-off video's bytes that must be there"
    )
    min_sound: float = Field(
        0.2, ge=0, le=1, description="share of a damaged input's pictures that must be sound"
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="quality of the written JPEGs")


class InspectConfig(StageConfig):
    """The first word on a film: how much is looked at, and from which figures on it is doubted.

    Reasons of the limits and the films that they were set on: docs/verdict.md.
    """

    looked_at: int = Field(16, ge=3, le=64, description="frames whose background is removed")
    session: Session = DEFAULT_SESSION
    precision: SessionPrecision = "auto"
    min_area: MinArea = _MIN_AREA
    min_with_tyre: float = Field(
        0.75, ge=0, le=1, description="share of the frames in which a tyre must stand out"
    )
    min_brightness: float = Field(
        40.0, ge=0, le=255, description="95th percentile of the tyre's grey values, median"
    )
    max_clipped: float = Field(
        0.2, ge=0, le=1, description="share of the tyre's pixels at white, median"
    )
    min_sharpness: float = Field(
        1.45,
        ge=0,
        le=4,
        description="gradient energy on the tyre at one pixel over that at two, median: edges that "
        "are 1.3 pixels wide",
    )
    max_cut_off: float = Field(
        0.3, ge=0, le=1, description="share of frames in which the tyre may reach the edge"
    )
    max_others: float = Field(
        0.3, ge=0, description="area of what else stands out, over the tyre's, median"
    )
    min_roundness: float = Field(
        0.95, ge=0, le=1, description="overlap with an ellipse, of the roundest outline"
    )
    max_repeated: float = Field(0.8, ge=0, le=1, description="share of frames like the one before")
    max_cut: float = Field(
        2.0, ge=1, description="colours' greatest jump between frames, over the next greatest"
    )
    min_about_arc_deg: float = Field(
        100.0, ge=0, le=360, description="arc that the outlines' aspects speak of, degrees"
    )


class MaskConfig(StageConfig):
    """How the tyre is separated from its background."""

    session: Session = DEFAULT_SESSION
    precision: SessionPrecision = "auto"
    min_area: MinArea = _MIN_AREA
    max_area: float = Field(0.98, gt=0, le=1, description="share above which nothing was removed")
    min_peak: float = Field(
        0.5, ge=0, le=1, description="least certainty of the network that there is a foreground"
    )
    min_usable: int = Field(3, ge=1, description="frames that must show a tyre")


class PoseConfig(StageConfig):
    """How cameras and the tyre's axle are estimated."""

    motion: MotionHint = Field(
        DEFAULT_MOTION, description="what moves; auto: the background decides"
    )
    max_features: int = Field(
        2000, ge=200, le=20000, description="Image features per frame, before matching."
    )
    feature_size_px: int = Field(
        960, ge=240, le=4096, description="Longest side of the images that features come from."
    )
    exhaustive_below: int = Field(
        20, ge=2, le=200, description="Match every pair of frames up to this many frames."
    )
    match_offsets: tuple[int, ...] = Field(
        (1, 2, 3, 4, 6, 8, 12),
        min_length=1,
        max_length=32,
        description="Above that, match each frame with those so many frames later; the sequence "
        "is taken as closed, so that a full orbit closes its loop.",
    )
    prior_fov_deg: float = Field(
        60.0,
        gt=10,
        lt=120,
        description="First guess of the field of view, longest side, where photos do not tell it.",
    )
    min_registered_share: float = Field(
        0.6, gt=0, le=1, description="Below this share of registered frames, poses are refused."
    )
    min_arc_deg: float = Field(
        15.0,
        ge=1,
        le=180,
        description="Least angle, seen from the tyre, that the cameras must span.",
    )
    min_agreement: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="Below this median agreement of masks and fitted solid, poses are refused: the "
        "share of its outline that a mask's contour follows, and half of what the mask hides.",
    )
    flag_agreement: float = Field(
        0.7, gt=0, lt=1, description="Frames whose mask agrees less with the solid are flagged."
    )
    max_jump_deg: float = Field(
        30.0,
        ge=0,
        le=180,
        description="Cameras whose neighbours in time lie this much too far apart do not convince.",
    )
    max_turn_jump_deg: float = Field(
        10.0,
        ge=0,
        le=180,
        description="Cameras that turn this much otherwise than before and after do not convince.",
    )
    num_threads: int = Field(0, ge=0, le=256, description="Threads; 0 means one per core.")
    seed: int = Field(0, ge=0, description="Seed of all random sampling.")


class RectifyConfig(StageConfig):
    """How frames and masks are brought to what a pinhole camera sees.

    Shares are of the tyre's area in the image.
    """

    margin: float = Field(
        0.012,
        ge=0.0,
        le=0.1,
        description="what a mask may lie beside the solid's outline, of the outline's longest side",
    )
    least_share: float = Field(
        0.002, ge=0.0, le=1.0, description="excess or lack of a mask from which it is corrected"
    )
    notable_share: float = Field(
        0.03, ge=0.0, le=1.0, description="excess or lack from which a warning counts the frame"
    )
    max_lack: float = Field(
        0.15, gt=0.0, le=1.0, description="lack above which the frame is refused"
    )
    min_usable: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="share of the usable frames that must be left, or none is refused",
    )

    jpeg_quality: int = Field(95, ge=50, le=100, description="quality of undistorted JPEGs")


class SelectConfig(StageConfig):
    """Which candidates are given to the network."""

    num_frames: NumFrames = PRESETS[DEFAULT_PRESET].num_frames
    min_sharpness: float = Field(
        0.5, ge=0, le=1, description="least sharpness relative to the neighbours in time"
    )
    neighbours: int = Field(3, ge=1, description="frames on either side for comparison")
    max_clipped: float = Field(
        0.4, gt=0, le=1, description="largest share of the tyre's pixels at white"
    )
    min_brightness: float = Field(
        8.0, ge=0, le=255, description="least 95th percentile of the tyre's grey values"
    )
    min_solidity: float = Field(0.7, ge=0, le=1, description="least area share of the convex hull")
    held_out: int = Field(
        6, ge=0, le=64, description="frames kept from the merge, by which the mesh is judged"
    )
    hold_out_above: int = Field(
        20, ge=4, description="frames with a pose up to which all are needed for the merge"
    )


class InferConfig(StageConfig):
    """How the network is run."""

    batch_size: int = Field(4, ge=1, le=64, description="frames in one forward pass")
    precision: Precision = Field("auto", description="arithmetic of the forward pass")


class WeightedConfig(StageConfig):
    """Weights of the decision that needs no fusing network: a convex segmentation of the grid.

    Where photos of a rim are compared, its energy weighs the network's log-density, the photos and
    the area of the boundary; a tyre without a rim is decided by fields and outlines alone.
    """

    network_weight: float = Field(
        0.5, ge=0.0, le=10.0, description="weight of the network's log-density, without unit"
    )
    photo_consistency_weight: float = Field(
        25.0, ge=0.0, le=200.0, description="log-odds for a unit of the photo-consistency's flux"
    )
    photo_consistency_reach: float = Field(
        0.7,
        ge=0.5,
        le=5.0,
        description="standard deviation of that flux's smoothing, grid steps: how deep below a "
        "consistent surface it makes solid",
    )
    textureless_weight: float = Field(
        5.0, ge=0.0, le=20.0, description="log-odds beside a sure textureless face; 0 to find none"
    )
    boundary_weight: float = Field(
        2.5, ge=0.1, le=20.0, description="cost of boundary where photos show no surface, log-odds"
    )
    ridge_consistency: float = Field(
        0.06,
        ge=0.005,
        le=10.0,
        description="photo consistency, a correlation, at which boundary costs a third",
    )
    max_level_shift: float = Field(
        2.0,
        ge=0.0,
        le=10.0,
        description="most log-density by which thin parts are lifted where no photo helps",
    )
    max_radial_warp: float = Field(
        0.06,
        ge=0.0,
        le=0.3,
        description="largest relative change of radius that brings the field to the outlines",
    )


class MergeConfig(StageConfig):
    """Parameters of the merge."""

    mc_resolution: McResolution = PRESETS[DEFAULT_PRESET].mc_resolution
    diameter_mm: DiameterMm = DEFAULT_DIAMETER_MM
    grid_steps: int = Field(
        64, ge=16, le=256, description="radial steps of the fusion grid, axle to outer radius"
    )
    grid_angles: int = Field(
        192, ge=48, le=1024, multiple_of=4, description="steps around the axle"
    )
    max_log_density: float = Field(
        4.0, ge=0.5, le=20.0, description="bound of a frame's log-density on either side of 0"
    )
    robust_scale: float = Field(
        3.0,
        ge=0.1,
        le=20.0,
        description="scale of the Cauchy weights of the frames: the log-density from their mean "
        "at which a frame's weight is halved",
    )
    occluded_weight: float = Field(
        0.05, ge=0.001, le=1.0, description="weight of a frame where it cannot see, of 1"
    )
    overlap_power: float = Field(
        2.0, ge=0.0, le=20.0, description="power of a frame's overlap with the others in its weight"
    )
    symmetry_strength: float = Field(
        2.0,
        ge=0.0,
        le=100.0,
        description="factor on the frames' variance in the Wiener filter of what deviates from "
        "the rotational mean; 0 keeps all of it",
    )
    min_registration_gain: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="relative drop of the squared difference from which a frame's scale and shift "
        "are corrected, 1 for never",
    )
    shell_depth: float = Field(
        0.045,
        ge=0.0,
        le=0.5,
        description="depth, outer radii, to which the tyre is solid below what outlines touch",
    )
    connection_thickness: float = Field(
        0.02,
        ge=0.0,
        le=0.5,
        description="thickness, outer radii, of the walls that connect components which the "
        "fusing network leaves apart",
    )
    outlier_masks: int = Field(
        1, ge=0, le=5, description="masks that may be wrong about a point of the visual hull"
    )
    mask_margin_px: float = Field(
        2.0, ge=0.0, le=20.0, description="widening of the masks, pixels at mask_px"
    )
    mask_px: int = Field(640, ge=64, le=4096, description="longest side of the masks, pixels")
    colour_px: int = Field(1280, ge=64, le=8192, description="longest side of the images, pixels")
    colour_frames: int = Field(3, ge=1, le=16, description="frames blended at a vertex")
    smoothing_rounds: int = Field(3, ge=0, le=50, description="rounds of Taubin smoothing")
    face_budget: int = Field(
        0, ge=0, le=20_000_000, description="most faces of the mesh, 0 for no reduction"
    )
    weighted: WeightedConfig = Field(
        WeightedConfig(),
        description="the decision of models without a fusing network, and beside it for a tyre "
        "without a rim",
    )


class Limits(BaseModel):
    """Values of a figure from which on a mesh is to be looked at, and must not be used.

    With ``fail`` above ``review`` high values are bad, otherwise low ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    review: float
    fail: float


def _limits(review: float, fail: float, description: str) -> Limits:
    return Field(Limits(review=review, fail=fail), description=description)


class JudgeConfig(StageConfig):
    """Figures from which on a mesh is to be looked at (``review``) or not to be used (``fail``).

    Reasons of the limits and the films that they were set on: docs/verdict.md.
    """

    judged_px: int = Field(
        480, ge=64, le=4096, description="longest side of the frames that are compared, pixels"
    )
    outlined_frames: int = Field(
        12, ge=2, le=1000, description="frames, evenly in time, whose edges are held against it"
    )
    silhouette_iou: Limits = _limits(
        0.94, 0.85, "overlap of the mesh with masks of frames held out, median"
    )
    masks_beyond_mesh: Limits = _limits(
        0.04, 0.12, "area of held-out masks that the mesh does not cover, of the mask, median"
    )
    mesh_beyond_masks: Limits = _limits(
        0.04, 0.12, "area of the mesh outside held-out masks, of the mask, median"
    )
    masks_cut: Limits = _limits(
        0.12, 0.4, "area that was cut off the masks to suit the fitted tyre, of the tyre's, median"
    )
    masks_filled: Limits = _limits(
        0.05, 0.15, "area that was filled in the masks, of the tyre's, median"
    )
    outlines_off_percent: float = Field(
        0.45,
        gt=0,
        le=10,
        description="distance of the tyre's edges in the frames from the mesh, percent of the "
        "diameter, else review",
    )
    outlines_off_px: float = Field(
        1.5, ge=0, le=10, description="the same in pixels of the frames: nearer is not told"
    )
    photo_agreement: Limits = _limits(
        0.5, 0.2, "correlation of held-out photos with the mesh's colours, median"
    )
    turn_agreement: Limits = _limits(
        0.15, 0.1, "correlation of the face's pictures in frames of a spin, turned back, median"
    )
    turn_off_percent: Limits = _limits(
        12.0, 30.0, "by how much faster or slower a spin would make them coincide best, percent"
    )
    axle_apart_deg: Limits = _limits(
        3.0,
        20.0,
        "angle between the axle of a spin by points and by circles on the average, degrees",
    )
    posed_share: Limits = _limits(0.85, 0.6, "share of the frames that have a pose")
    path_jump_deg: Limits = _limits(
        30.0, 60.0, "by how much neighbouring frames lie farther apart than a walk allows, degrees"
    )
    turn_jump_deg: Limits = _limits(
        10.0, 60.0, "by how much a camera turns otherwise than before and after, degrees"
    )
    seen_arc_deg: Limits = _limits(200.0, 75.0, "arc of the cameras round the tyre, degrees")
    face_seen: float = Field(
        0.5, ge=0, le=1, description="share of a face that must be seen, else review"
    )
    tread_seen: float = Field(
        0.4, ge=0, le=1, description="share of the tread that must be seen, else review"
    )
    share_inferred: Limits = _limits(0.4, 0.65, "share of the surface that no frame saw")
    halves_axle_deg: Limits = _limits(
        1.0, 5.0, "angle between the axles of even and odd frames, degrees"
    )
    halves_outline_percent: Limits = _limits(
        1.5, 5.0, "distance of the outlines that even and odd frames predict, percent of their size"
    )
    scale_spread_percent: Limits = _limits(
        2.5, 6.0, "spread of the scales that single frames would give, percent"
    )
    min_width_ratio: float = Field(
        0.15, gt=0, lt=1, description="least width of a tyre over its diameter"
    )
    max_width_ratio: float = Field(
        0.75, gt=0, lt=2, description="greatest width of a tyre over its diameter"
    )
    axle_lean_deg: float = Field(
        30.0, ge=0, le=90, description="angle of the axle to the horizontal, else review"
    )
    gap_deg: float = Field(
        30.0, ge=5, le=180, description="arcs without a frame wider than this are filmed again"
    )


class AtlasConfig(StageConfig):
    """How the surface is unrolled and coloured."""

    texels_per_pixel: float = Field(
        1.25, ge=0.25, le=4.0, description="texels for a pixel of the frames, in each direction"
    )
    min_around_px: int = Field(256, ge=64, le=8192, description="least texels round the tyre")
    max_around_px: int = Field(4096, ge=64, le=8192, description="most texels round the tyre")
    chart_coarseness: float = Field(
        1.5, ge=0.5, le=8.0, description="side of a texel off the outer surface, over one on it"
    )
    min_cosine: float = Field(
        0.15, ge=0.0, lt=1.0, description="frames that see a place more aslant are not asked"
    )
    edge_margin: float = Field(
        0.004,
        gt=0.0,
        le=0.1,
        description="what lies closer to a mask's outline gives no colour, of the longest side",
    )
    local_colour_m: float = Field(
        0.006,
        gt=0.0,
        le=0.1,
        description="standard deviation of the window in which frames are brought to the same "
        "colour, metres",
    )
    best: int = Field(3, ge=1, le=16, description="frames that give a place its detail")


class ExportConfig(StageConfig):
    """How the mesh is written."""

    node_name: str = Field("tyre", min_length=1, description="name of the node in the GLB")
    texture: bool = Field(True, description="whether the GLB has a texture of its colours")
    texture_quality: int = Field(90, ge=50, le=100, description="quality of its JPEG")
    failed_mark: str = Field(
        "verdict: fail", min_length=1, description="what the name of a mesh that failed holds"
    )
    compression: Literal["meshopt", "none"] = Field(
        "meshopt",
        description="how all levels are packed; none: the GLB is whole, in plain numbers",
    )
    full_bytes: int = Field(
        3_000_000, ge=100_000, le=100_000_000, description="bound of the GLB, compressed, bytes"
    )
    medium_bytes: int = Field(
        1_200_000, ge=50_000, le=50_000_000, description="bound of the medium GLB, bytes"
    )
    preview_bytes: int = Field(
        600_000, ge=20_000, le=5_000_000, description="bound of the preview GLB, bytes"
    )


class ReportConfig(StageConfig):
    """What the report on a tyre holds."""

    chosen_px: int = Field(
        400, ge=32, le=2048, description="longest side of a chosen frame's picture"
    )
    thumbnail_px: int = Field(
        200, ge=32, le=1024, description="longest side of the other frames' pictures"
    )
    max_thumbnails: int = Field(
        64, ge=0, le=1000, description="other frames that are pictured, evenly in time"
    )
    flattened_px: int = Field(
        2400, ge=64, le=8192, description="longest side of the sidewalls and the tread laid flat"
    )
    jpeg_quality: int = Field(80, ge=1, le=100, description="quality of all pictures")
