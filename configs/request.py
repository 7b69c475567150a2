"""What a user asks: of one reconstruction, and of a batch of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from configs.locations import is_address, split_address, stem_of
from configs.parameters import Config, check, config_of
from configs.presets import (
    COMPARISON_NAME,
    CONCURRENCY,
    DEFAULT_DEVICE,
    DEFAULT_DIAMETER_MM,
    DEFAULT_MOTION,
    DEFAULT_PRESET,
    DEFAULT_SESSION,
    PRESETS,
    Device,
    MotionHint,
    PresetName,
)
from configs.stages import (
    DiameterMm,
    InspectConfig,
    MaskConfig,
    McResolution,
    MergeConfig,
    NumFrames,
    PoseConfig,
    SelectConfig,
    Session,
    StageConfig,
)


def _parse(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not is_address(value):
        return Path(value)
    scheme, _, key = split_address(value)
    if not key or value.endswith("/"):
        raise ValueError(f"an address reads {scheme}://bucket/key")
    return value


Location = Annotated[str | Path, Field(union_mode="left_to_right"), BeforeValidator(_parse)]
"""A path, or a string that names an object (or a prefix) in S3."""


class ReconstructOptions(BaseModel):
    """How a mesh is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: PresetName = DEFAULT_PRESET
    model: str | None = Field(None, description="name or folder; unset: the best there is")
    num_frames: NumFrames | None = Field(None, description="unset: the preset's")
    mc_resolution: McResolution | None = Field(None, description="unset: the preset's")
    device: Device = DEFAULT_DEVICE
    diameter_mm: DiameterMm = DEFAULT_DIAMETER_MM
    motion: MotionHint = DEFAULT_MOTION
    session: Session = DEFAULT_SESSION
    atlas: bool = Field(False, description="whether flattened pictures are put beside the GLB")
    plain: bool = Field(False, description="whether the GLB lies there uncompressed, too")

    @property
    def chosen_frames(self) -> int:
        """Number of frames to choose: ``num_frames``, or the preset's."""
        return self.num_frames or PRESETS[self.preset].num_frames

    @property
    def resolution(self) -> int:
        """Resolution of the marched grid: ``mc_resolution``, or the preset's."""
        return self.mc_resolution or PRESETS[self.preset].mc_resolution


class MeshOptions(ReconstructOptions):
    """How a mesh is made, down to the parameters of single stages."""

    parameters: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="parameters of stages other than the defaults, by stage and field",
    )

    @field_validator("parameters")
    @classmethod
    def _known(cls, parameters: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        check(parameters)
        return parameters

    def config(self, kind: type[Config]) -> Config:
        """The parameters of a stage: the defaults, what options say, and what was set besides."""
        own: dict[type[StageConfig], dict[str, Any]] = {
            InspectConfig: {"session": self.session},
            MaskConfig: {"session": self.session},
            PoseConfig: {"motion": self.motion},
            SelectConfig: {"num_frames": self.chosen_frames},
            MergeConfig: {"mc_resolution": self.resolution, "diameter_mm": self.diameter_mm},
        }
        return config_of(kind, self.parameters, **own.get(kind, {}))


class BoundRequest(MeshOptions):
    """What lies in certain folders, if any are named: whoever let it through looked at links."""

    input_roots: tuple[Location, ...] = Field(
        (), description="folders below one of which inputs must still lie; none: anywhere"
    )
    output_roots: tuple[Location, ...] = Field(
        (),
        description="folders below one of which results must still go, and which are not made; "
        "none: anywhere",
    )


class ReconstructRequest(BoundRequest):
    """One tyre video (or folder of frames) and how to make its mesh."""

    input: Location = Field(description="a video, or a folder of PNG or JPEG frames; also in S3")
    glb_path: Location = Field(description="where the GLB goes, its metadata beside it; also in S3")

    @property
    def stem(self) -> str:
        """Name of the result, without its suffix."""
        return stem_of(self.glb_path)


MAX_NAME = 100
"""Characters that the name of a comparison may have."""


class CompareRequest(BoundRequest):
    """Two films or results of one tyre, and how meshes are made of films."""

    new: Location = Field(description="the new tyre: a video, a folder of frames, or its GLB")
    damaged: Location = Field(description="the same tyre, used; likewise")
    out_dir: Location = Field(description="folder of the comparison; also in S3")
    name: str = Field(
        COMPARISON_NAME,
        pattern=rf"^[^/\\\x00-\x1f]{{1,{MAX_NAME}}}$",
        description=f"name of the comparison's files: {MAX_NAME} characters at most, no / or \\",
    )


class HistoryRequest(MeshOptions):
    """Films of tyres over time, and how meshes are made of films."""

    source: Location = Field(
        description="a table (CSV) of tyres and films, or a folder of films TYRE_LABEL; also in S3"
    )
    out_dir: Location = Field(description="folder of the comparisons and history.json; also in S3")
    tolerance_mm: float | None = Field(
        None,
        gt=0,
        le=100,
        description="tolerance (full width) of a zone's change that a gauge study relates the "
        "films' spread to, millimetres; unset: no study",
    )


class BatchRequest(BaseModel):
    """Many tyres: one result each in one folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[str, ...] = Field(
        min_length=1, description="videos, folders of videos or of frames, s3://bucket/prefix"
    )
    out_dir: Location = Field(description="folder of the results and of batch.json; also in S3")
    options: MeshOptions = Field(default_factory=lambda: MeshOptions())
    deployment: str | None = Field(
        None,
        pattern=r"^[^/]+/[^/]+$",
        description="flow/deployment that makes each tyre; unset: this process",
    )
    concurrency: int = Field(
        CONCURRENCY, ge=1, le=500, description="runs of the deployment at a time"
    )
    attempts: int = Field(
        3, ge=1, le=20, description="runs of the deployment for one tyre, where another can help"
    )
