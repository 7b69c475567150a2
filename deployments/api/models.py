"""Bodies of the service's requests and answers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, field_validator, model_validator

from configs.registry import MODELS
from configs.request import Location, ReconstructOptions

Status = Literal["queued", "processing", "completed", "failed"]
_RENDERED = "__prefect_kind"
"""Prefect renders parameters that hold this key, templates included: nobody outside may send it."""


def _holds(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_holds(v, key) for v in value.values())
    return isinstance(value, list) and any(_holds(v, key) for v in value)


def _known(name: str | None, kind: str) -> str | None:
    names = [e.name for e in MODELS.values() if e.kind == kind]
    if name is not None and name not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return name


class ReconstructBody(ReconstructOptions):
    """A reconstruction to make."""

    preprocessing_output_dir: Location | None = Field(
        None, description="folder of PNG or JPEG frames"
    )
    video: Location | None = Field(None, description="or a video")
    output_glb_path: Location = Field(description="where the GLB goes, its metadata beside it")

    @model_validator(mode="before")
    @classmethod
    def _no_templates(cls, data: Any) -> Any:
        if _holds(data, _RENDERED):
            raise ValueError(f"{_RENDERED} is refused")
        return data

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.preprocessing_output_dir is None) == (self.video is None):
            raise ValueError("give either preprocessing_output_dir or video")
        return self

    @field_validator("model")
    @classmethod
    def _registered_model(cls, name: str | None) -> str | None:
        return _known(name, "reconstruction")

    @field_validator("session")
    @classmethod
    def _registered_session(cls, name: str) -> str:
        return _known(name, "background") or name

    @property
    def source(self) -> Path | str:
        """The folder or the video."""
        return self.preprocessing_output_dir or self.video or Path()


class JobError(BaseModel):
    """Why a job failed."""

    code: str = Field(description="stable: of the pipeline's errors, crashed, cancelled, internal")
    stage: str = Field(description="of the pipeline; empty where unknown")
    message: str = Field(description="what was wrong and what to do")


class JobAccepted(BaseModel):
    """A job that was taken on."""

    job_id: UUID
    status: Status = "queued"


class JobStatus(BaseModel):
    """How a job stands."""

    job_id: UUID
    status: Status
    progress: float = Field(ge=0, le=1)
    stage: str | None = Field(None, description="of the pipeline, while it is processed")
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metadata: dict[str, Any] | None = Field(None, description="of the result, once completed")
    error: JobError | None = Field(None, description="once failed")


class Health(BaseModel):
    """Whether the service and Prefect's server answer."""

    status: Literal["ok", "degraded"]
    prefect: bool


class Refusal(BaseModel):
    """Why a request was refused."""

    code: str
    message: str
