"""What evaluations of the whole pipeline measure: frozen, bounded, each default stated once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from configs.presets import BUNDLED_MODEL, DEFAULT_PRESET, DEFAULT_SESSION, Motion, PresetName
from configs.stages import Session

Kind = Literal["easy", "hard", "spin", "turntable", "one-face"]
"""Kinds of film: an orbit in a colourful room; a phone's walk in a workshop, past stands, buckets
and people; a tyre that is spun before a phone; one on a turntable in a plain room; an arc before
one face."""

KINDS: tuple[Kind, ...] = get_args(Kind)

PAIR_KINDS = (
    "null",
    "even",
    "zones",
    "conical",
    "flat-spots",
    "cuts",
    "chunks",
    "bulge",
    "graining",
    "blisters",
    "scuffs",
    "turned",
)
"""What changes between two films of one tyre: nothing; wear all round, even, by zone, or as a
cone; flat spots; cuts in the sidewalls; pieces torn out of the tread; a sidewall that bulges or is
dented; roughness, pits, scrapes; nothing, but the tyre was turned on its rim. Seeds count with the
order."""


def _listed(value: object) -> object:
    """A list as a command line gives it: words with commas between them."""
    return tuple(value.split(",")) if isinstance(value, str) else value


class _Films(BaseModel):
    """What evaluations share: whose films, and how meshes are made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["test", "validation"] = Field("test", description="seeds to take tyres from")
    frames: int = Field(72, ge=2, le=1000, description="frames of each video")
    preset: PresetName = Field(DEFAULT_PRESET, description="preset of the reconstructions")
    model: str = Field(BUNDLED_MODEL, description="name or folder of the reconstruction's model")
    session: Session = DEFAULT_SESSION


class EvaluationRequest(_Films):
    """Subjects with known geometry, how they are filmed and how they are reconstructed."""

    first: int = Field(
        200, ge=0, description="number of the first seed in the split; those below were looked at"
    )
    count: int = Field(6, ge=1, description="number of seeds, each filmed in every kind")
    wheels: Path | None = Field(None, description="a folder of GLB wheels instead of seeds")
    kinds: Annotated[tuple[Kind, ...], BeforeValidator(_listed)] = Field(
        KINDS, min_length=1, description="kinds of film, with commas between them"
    )
    motion: Motion = Field("orbit", description="what moves in the easy films")
    out: Path = Field(Path("work/eval"), description="folder of videos, meshes, scores and report")


class PairsRequest(_Films):
    """Pairs of films of one tyre, new and used, and how they are filmed and compared."""

    first: int = Field(0, ge=0, description="number of the first seed in the split")
    count: int = Field(2, ge=1, description="number of pairs of each kind")
    kinds: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        PAIR_KINDS,
        min_length=1,
        description="what changes, with commas between kinds; joined by +, kinds change together",
    )
    width: int = Field(1920, ge=64, le=7680, description="width of the videos, pixels")
    height: int = Field(1080, ge=64, le=4320, description="height of the videos, pixels")
    out: Path = Field(
        Path("work/eval-pairs"), description="folder of videos, comparisons, scores and card"
    )

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if unknown := set(kind.split("+")) - set(PAIR_KINDS):
                known = ", ".join(PAIR_KINDS)
                raise ValueError(f"no kind of pair: {', '.join(sorted(unknown))}; known: {known}")
        return kinds
