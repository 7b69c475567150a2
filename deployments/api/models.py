"""Bodies of the service's requests and answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from configs.locations import has_unprintable
from configs.registry import MODELS
from configs.request import MAX_NAME, Location, ReconstructOptions

Status = Literal["queued", "processing", "completed", "failed"]
Verdict = Literal["pass", "review", "fail", "changed", "not detectable", "cannot compare"]
_RENDERED = "__prefect_kind"
"""Prefect renders parameters that hold this key, templates included: nobody outside may send it."""


def _texts(value: Any) -> Iterator[str]:
    """All texts in plain data, keys too; its depth is bounded before."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def plain_text(text: str | None) -> str | None:
    """A text that is stored or looked for: databases refuse some of what is unprintable.

    Raises:
        ValueError: It holds control characters or halves of characters.
    """
    if text is not None and has_unprintable(text):
        raise ValueError("control characters and halves of characters are refused")
    return text


def _known(name: str | None, kind: str) -> str | None:
    names = [e.name for e in MODELS.values() if e.kind == kind]
    if name is not None and name not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return name


class JobBody(ReconstructOptions):
    """What all jobs may be asked with."""

    reference: str | None = Field(
        None,
        min_length=1,
        max_length=120,
        description="the caller's own name of the job, such as an order's number; can be listed by",
    )
    callback_url: str | None = Field(
        None,
        min_length=1,
        max_length=2000,
        description="address that is told of the job's end; its host must be listed in the "
        "settings",
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_texts(cls, data: Any) -> Any:
        for text in _texts(data):
            if text == _RENDERED:
                raise ValueError(f"{_RENDERED} is refused")
            plain_text(text)
        return data

    @field_validator("model")
    @classmethod
    def _registered_model(cls, name: str | None) -> str | None:
        return _known(name, "reconstruction")

    @field_validator("session")
    @classmethod
    def _registered_session(cls, name: str) -> str:
        return _known(name, "background") or name


class ReconstructBody(JobBody):
    """A reconstruction to make: of exactly one of ``video`` and ``preprocessing_output_dir``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "video": "/srv/tyre3d/incoming/a.mp4",
                    "output_glb_path": "/srv/tyre3d/meshes/a.glb",
                    "preset": "balanced",
                    "diameter_mm": 720,
                    "reference": "order-17",
                }
            ],
            "oneOf": [
                {"required": ["video"]},
                {"required": ["preprocessing_output_dir"]},
            ],
        }
    )

    preprocessing_output_dir: Location | None = Field(
        None, description="folder of PNG or JPEG frames"
    )
    video: Location | None = Field(None, description="or a video")
    output_glb_path: Location = Field(description="where the GLB goes, its metadata beside it")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.preprocessing_output_dir is None) == (self.video is None):
            raise ValueError("give either preprocessing_output_dir or video")
        return self

    @property
    def source(self) -> Path | str:
        """The folder or the video."""
        return self.preprocessing_output_dir or self.video or Path()


class CompareBody(JobBody):
    """Two films, folders of frames or finished results of one tyre to compare."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "new": "/srv/tyre3d/meshes/a.glb",
                    "damaged": "/srv/tyre3d/incoming/a_used.mp4",
                    "output_dir": "/srv/tyre3d/meshes",
                    "name": "a-stint-1",
                    "reference": "order-18",
                }
            ]
        }
    )

    new: Location = Field(description="the new tyre: a video, a folder of frames, or its GLB")
    damaged: Location = Field(description="the same tyre, used; likewise")
    output_dir: Location = Field(description="folder of the comparison's files")
    name: str = Field(
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._ -]{{0,{MAX_NAME - 1}}}$",
        description="what these files are called",
    )


class JobError(BaseModel):
    """Why a job failed."""

    code: str = Field(description="stable: of the pipeline's errors, crashed, cancelled, internal")
    stage: str = Field(description="of the pipeline; empty where unknown")
    message: str = Field(description="what was wrong and what to do")


class JobReason(BaseModel):
    """What speaks against a film or a mesh."""

    code: str = Field(description="stable")
    level: Literal["review", "fail"]
    message: str = Field(description="what was found")
    advice: str = Field(description="what the photographer can do about it")


class JobAccepted(BaseModel):
    """A job that was taken on."""

    job_id: UUID
    status: Status = "queued"


class Judgement(BaseModel):
    """What the metadata of a result say of it."""

    verdict: Verdict | None = Field(
        None,
        description="on the mesh, once completed; one that failed must not be used. Of a "
        "comparison: what it comes to",
    )
    reasons: list[JobReason] | None = Field(None, description="of the verdict")
    retake: list[str] | None = Field(None, description="what to film again, once completed")


class JobStatus(Judgement):
    """How a job stands."""

    job_id: UUID
    status: Status
    progress: float = Field(ge=0, le=1)
    reference: str | None = Field(None, description="as it was given with the request")
    attempts: int = Field(1, description="runs so far: one whose process died is started again")
    stage: str | None = Field(None, description="of the pipeline, while it is processed")
    eta_s: int | None = Field(
        None,
        ge=0,
        description="seconds that are left, as earlier jobs took; while it is processed",
    )
    callback: Literal["pending", "delivered", "given-up"] | None = Field(
        None, description="how far callback_url has been told of the end"
    )
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    first_word: list[JobReason] | None = Field(
        None,
        description="what the first frames say against the film, some seconds after the start; "
        "empty: nothing",
    )
    metadata: dict[str, Any] | None = Field(
        None, description="of the result, once completed; only its path where it is not there"
    )
    result_is_there: bool | None = Field(
        None,
        description="once completed: whether GLB and metadata are still those that this job made",
    )
    files: list[str] | None = Field(
        None,
        description="once completed and there: names of what /reconstruct/{job_id}/{name} has, "
        "or /compare/{job_id}/{name}",
    )
    error: JobError | None = Field(None, description="once failed")


class Health(BaseModel):
    """Whether the service and Prefect's server answer."""

    status: Literal["ok", "degraded"]
    prefect: bool


class JobSummary(BaseModel):
    """A job in a list."""

    job_id: UUID
    status: Status
    reference: str | None = None
    output_glb_path: str = Field(description="of a comparison: the GLB that shows the change")
    created_at: datetime | None = None
    finished_at: datetime | None = None


class JobList(BaseModel):
    """Some jobs, the latest first."""

    jobs: list[JobSummary]
    cursor: str | None = Field(None, description="gives those that follow; none where none do")


class Uploaded(BaseModel):
    """A video that was uploaded."""

    video: str = Field(description="as a reconstruction takes it")
    size: int
    sha256: str


class UploadWanted(BaseModel):
    """A video that is to be sent to a bucket."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, description="of the file", examples=["a.mp4"])
    size: int = Field(ge=1, description="its bytes", examples=[48_000_000])


class UploadAddress(BaseModel):
    """Where a video is sent to."""

    url: str = Field(description="takes one PUT with the video as its body")
    method: Literal["PUT"] = "PUT"
    expires_s: int = Field(description="how long it does, in seconds")
    video: str = Field(description="as a reconstruction takes it, once it is there")
