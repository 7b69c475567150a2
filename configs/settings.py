"""Settings of an installation: where things lie and how storage is reached.

They are read once, at the entry point, from environment variables that begin with ``TYRE3D_`` (and
``TRIPOSR_DEVICE``), and passed down.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_home() -> Path:
    """The folder for this user's weights and artifacts, by the platform's custom."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tyre3d"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "tyre3d"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tyre3d"


def variables_of(kind: type[BaseSettings]) -> dict[str, str]:
    """The variable of the environment that each field of settings is taken from.

    Args:
        kind: The settings.
    """
    prefix = kind.model_config["env_prefix"]
    fields = kind.model_fields.items()
    return {name: str(f.validation_alias or f"{prefix}{name.upper()}") for name, f in fields}


class Settings(BaseSettings):
    """Settings of this installation; secrets come from the environment only."""

    model_config = SettingsConfigDict(env_prefix="TYRE3D_", frozen=True, extra="forbid")

    home: Path = Field(
        default_factory=default_home, description="folder of weights, artifacts, scratch files"
    )
    config: Path | None = Field(
        default=None,
        description="TOML file of the stages' parameters; unset: config.toml in the home, if there",
    )
    storage: str = Field(
        default="", description="root of the artifacts: a folder or s3://bucket/prefix"
    )
    device: str = Field(
        default="auto",
        validation_alias="TRIPOSR_DEVICE",
        description="device of runs that request none: auto, cuda, cuda:N, mps or cpu",
    )
    infer_deployment: str = Field(
        default="",
        pattern=r"^([^/]+/[^/]+)?$",
        description="flow/deployment that runs the network; empty: the process of the run",
    )
    s3_endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+",
        description="S3 service other than AWS, with http:// or https://",
    )
    s3_region: str | None = Field(default=None, description="region of the bucket")
    s3_access_key: SecretStr | None = Field(default=None, description="access key of S3")
    s3_secret_key: SecretStr | None = Field(default=None, description="secret key of S3")
    s3_timeout_s: float = Field(default=30.0, gt=0, le=600, description="time-out of one request")
    s3_attempts: int = Field(default=5, ge=1, le=20, description="attempts of one request")
    s3_patience_s: float = Field(
        default=180.0,
        ge=0,
        le=86400,
        description="how long a request is repeated while S3 is away",
    )
    server_idle_s: float = Field(
        default=600.0,
        ge=0,
        le=1e6,
        description="how long the local Prefect server stays up after the last command; "
        "0: it ends with the command",
    )
    links_port: int = Field(
        default=4201,
        ge=1,
        le=65535,
        description="port on which tyre3d ui serves results that pages of runs link to, to this "
        "machine alone",
    )
    log_json: bool = Field(
        default=False, description="whether workers, their runs and the API log JSON lines"
    )
    disk_low_gb: float = Field(
        default=20.0,
        ge=0,
        le=1e6,
        description="gigabytes free on a disk below which doctor, workers and the API tell of it",
    )
    read_cache_gb: float = Field(
        default=20.0,
        ge=0,
        le=1e6,
        description="gigabytes of artifacts from S3 that this machine keeps for reading",
    )

    @field_validator("device")
    @classmethod
    def _unset_if_empty(cls, device: str) -> str:
        return device or "auto"

    @property
    def storage_root(self) -> str:
        """Root of the artifacts: ``storage``, or a folder below ``home``."""
        return self.storage or str(self.home / "artifacts")

    @property
    def models_dir(self) -> Path:
        """Folder of the fetched weights."""
        return self.home / "models"

    @property
    def scratch_dir(self) -> Path:
        """Folder in which stages work before they publish."""
        return self.home / "scratch"
