"""What an evaluation of the whole pipeline measures: frozen, bounded, each default stated once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from configs.presets import DEFAULT_PRESET, Motion


class EvaluationRequest(BaseModel):
    """Subjects with known geometry, how they are filmed and how they are reconstructed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["test", "validation"] = Field("test", description="seeds to take tyres from")
    first: int = Field(0, ge=0, description="number of the first seed in the split")
    count: int = Field(12, ge=1, description="number of seeds")
    wheels: Path | None = Field(None, description="a folder of GLB wheels instead of seeds")
    frames: int = Field(72, ge=2, le=1000, description="frames of each video")
    motion: Motion = Field("orbit", description="how the videos are filmed")
    preset: Literal["fast", "balanced", "high"] = Field(
        DEFAULT_PRESET, validate_default=True, description="preset of the reconstruction"
    )
    model: str = Field("tyre-mini", description="name or folder of the reconstruction's model")
    out: Path = Field(Path("work/eval"), description="folder of videos, meshes, scores and report")
