"""Settings of the service, from environment variables that begin with ``TYRE3D_API_``."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from configs.request import Location


class ApiSettings(BaseSettings):
    """Settings of the service; secrets come from the environment only."""

    model_config = SettingsConfigDict(env_prefix="TYRE3D_API_", frozen=True, extra="forbid")

    token: SecretStr = Field(min_length=16, description="token that every request must bear")
    input_roots: tuple[Location, ...] = Field(
        min_length=1,
        description='folders below which inputs lie, as JSON: ["/srv/in", "s3://bucket/in"]',
    )
    output_roots: tuple[Location, ...] = Field(
        min_length=1, description="folders below which results may be written, as JSON"
    )
    deployment: str = Field(
        default="reconstruct/reconstruct",
        pattern=r"^[^/]+/[^/]+$",
        description="flow/deployment that does the work",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    poll_s: float = Field(
        default=0.5, ge=0.05, le=60, description="greatest age of a reported status"
    )
    timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="time-out of a request to Prefect"
    )
    max_body_bytes: int = Field(
        default=65536, ge=1024, description="size limit of a request's body"
    )
    prefect_url: str = Field(
        default="http://127.0.0.1:4200/api",
        validation_alias="PREFECT_API_URL",
        description="Prefect's API",
    )
    prefect_auth: SecretStr | None = Field(
        default=None, validation_alias="PREFECT_API_AUTH_STRING", description="user:password"
    )
    prefect_key: SecretStr | None = Field(
        default=None, validation_alias="PREFECT_API_KEY", description="key of Prefect Cloud"
    )
