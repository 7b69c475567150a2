"""What a user asks of one reconstruction: the flow's only parameter."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from configs.presets import DEFAULT_PRESET, PRESETS


class ReconstructRequest(BaseModel):
    """One tyre video (or folder of frames) and how to make its mesh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Path = Field(description="a video, or a folder of PNG or JPEG frames")
    glb_path: Path = Field(description="where the GLB goes, its metadata beside it")
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

    @property
    def stem(self) -> str:
        """Name of the result, without its suffix."""
        return self.glb_path.stem
