"""What an evaluation of the whole pipeline measures: frozen, bounded, each default stated once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from configs.presets import DEFAULT_PRESET, DEFAULT_SESSION, Motion

Kind = Literal["easy", "hard", "spin", "turntable", "one-face"]
"""Kinds of film: an orbit in a colourful room; a phone's walk in a workshop, past stands, buckets
and people; a tyre that is spun before a phone; one on a turntable in a plain room; an arc before
one face."""

KINDS: tuple[Kind, ...] = get_args(Kind)


def _listed(value: object) -> object:
    """A list as a command line gives it: words with commas between them."""
    return tuple(value.split(",")) if isinstance(value, str) else value


class EvaluationRequest(BaseModel):
    """Subjects with known geometry, how they are filmed and how they are reconstructed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["test", "validation"] = Field("test", description="seeds to take tyres from")
    first: int = Field(
        200, ge=0, description="number of the first seed in the split; those below were looked at"
    )
    count: int = Field(6, ge=1, description="number of seeds, each filmed in every kind")
    wheels: Path | None = Field(None, description="a folder of GLB wheels instead of seeds")
    kinds: Annotated[tuple[Kind, ...], BeforeValidator(_listed)] = Field(
        KINDS, min_length=1, description="kinds of film, with commas between them"
    )
    frames: int = Field(72, ge=2, le=1000, description="frames of each video")
    motion: Motion = Field("orbit", description="what moves in the easy films")
    preset: Literal["fast", "balanced", "high"] = Field(
        DEFAULT_PRESET, validate_default=True, description="preset of the reconstruction"
    )
    model: str = Field("tyre-mini", description="name or folder of the reconstruction's model")
    session: str = Field(DEFAULT_SESSION, description="background removal, by name")
    out: Path = Field(Path("work/eval"), description="folder of videos, meshes, scores and report")
