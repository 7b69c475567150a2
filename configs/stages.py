"""Parameters of the stages around the network: frozen, bounded, each default stated once."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["auto", "fp32", "bf16"]


class StageConfig(BaseModel):
    """Base of all stage parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExtractConfig(StageConfig):
    """Which frames of a video become candidates, and how they are written."""

    max_candidates: int = Field(48, ge=2, le=1000, description="frames kept, evenly in time")
    max_side_px: int = Field(1280, ge=64, le=8192, description="bound of the longest side")
    min_side_px: int = Field(32, ge=1, description="smaller frames are refused")
    max_source_px: int = Field(
        100_000_000, ge=1, description="frames with more pixels are refused, unread where possible"
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="quality of the written JPEGs")


class MaskConfig(StageConfig):
    """How the tyre is told from its background."""

    session: str = Field("u2netp", description="name of rembg's session")
    precision: Precision = Field(
        "auto", description="arithmetic of the network; auto: bf16 where it is native"
    )
    min_area: float = Field(0.01, gt=0, lt=1, description="share of the frame a tyre must fill")
    max_area: float = Field(0.98, gt=0, le=1, description="share above which nothing was removed")
    min_peak: float = Field(
        0.5, ge=0, le=1, description="least certainty of the network that there is a foreground"
    )
    min_usable: int = Field(3, ge=1, description="frames that must show a tyre")


class SelectConfig(StageConfig):
    """Which candidates are given to the network."""

    num_frames: int = Field(8, ge=1, le=64, description="frames chosen")
    min_sharpness: float = Field(
        0.5, ge=0, le=1, description="least sharpness relative to the neighbours in time"
    )
    neighbours: int = Field(3, ge=1, description="frames on either side that sharpness is held to")
    max_clipped: float = Field(
        0.4, gt=0, le=1, description="largest share of the tyre's pixels at white"
    )
    min_brightness: float = Field(
        8.0, ge=0, le=255, description="least 95th percentile of the tyre's grey values"
    )
    min_solidity: float = Field(0.7, ge=0, le=1, description="least area share of the convex hull")


class InferConfig(StageConfig):
    """How the network is run."""

    batch_size: int = Field(4, ge=1, le=64, description="frames in one forward pass")
    precision: Precision = Field("auto", description="arithmetic of the forward pass")


class ExportConfig(StageConfig):
    """How the mesh is written."""

    node_name: str = Field("tyre", min_length=1, description="name of the node in the GLB")
