"""What a user asks: of one reconstruction, and of a batch of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from configs.presets import DEFAULT_PRESET, PRESETS


class ReconstructOptions(BaseModel):
    """How a mesh is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["fast", "balanced", "high"] = Field(DEFAULT_PRESET, validate_default=True)
    model: str | None = Field(None, description="name or folder; unset: the best there is")
    num_frames: int | None = Field(None, ge=1, le=64, description="unset: the preset's")
    mc_resolution: int | None = Field(
        None, ge=32, le=1024, description="samples along the volume's side; unset: the preset's"
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    diameter_mm: float = Field(720.0, ge=50, le=5000, description="outer diameter of the tyre")
    motion: Literal["auto", "orbit", "spin"] = "auto"
    session: str = Field("u2netp", description="background removal: name of rembg's session")

    @property
    def frames(self) -> int:
        """Number of frames to choose."""
        return self.num_frames or PRESETS[self.preset].num_frames

    @property
    def resolution(self) -> int:
        """Resolution of the marched grid."""
        return self.mc_resolution or PRESETS[self.preset].mc_resolution


class ReconstructRequest(ReconstructOptions):
    """One tyre video (or folder of frames) and how to make its mesh."""

    input: Path = Field(description="a video, or a folder of PNG or JPEG frames")
    glb_path: Path = Field(description="where the GLB goes, its metadata beside it")

    @property
    def stem(self) -> str:
        """Name of the result, without its suffix."""
        return self.glb_path.stem


class BatchRequest(BaseModel):
    """Many tyres: one result each in one folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[str, ...] = Field(
        min_length=1, description="videos, folders of videos or of frames, s3://bucket/prefix"
    )
    out_dir: Path = Field(description="folder of the results and of batch.json")
    options: ReconstructOptions = Field(default_factory=lambda: ReconstructOptions())
    deployment: str | None = Field(
        None,
        pattern=r"^[^/]+/[^/]+$",
        description="flow/deployment that makes each tyre; unset: this process",
    )
    concurrency: int = Field(4, ge=1, le=500, description="runs of the deployment at a time")
    attempts: int = Field(
        3, ge=1, le=20, description="runs of the deployment for one tyre, where another can help"
    )
