"""Settings of the pose stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PoseConfig(BaseModel):
    """How cameras and the tyre's axle are estimated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    motion: Literal["auto", "orbit", "spin"] = Field(
        "auto",
        description="What moves: the camera around the tyre (or a turntable), or the tyre about "
        "its own axle before a fixed camera. 'auto' decides by the background.",
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
        60.0, gt=10, lt=120, description="First guess of the field of view, longest side."
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
    min_silhouette_iou: float = Field(
        0.85,
        gt=0,
        lt=1,
        description="Below this median overlap of fitted solid and masks, poses are refused.",
    )
    flag_iou: float = Field(
        0.88, gt=0, lt=1, description="Frames whose mask overlaps the solid less are flagged."
    )
    num_threads: int = Field(0, ge=0, le=256, description="Threads; 0 means one per core.")
    timeout_s: int = Field(
        180, ge=5, le=3600, description="Longest time for one run of structure from motion."
    )
    seed: int = Field(0, ge=0, description="Seed of all random sampling.")
