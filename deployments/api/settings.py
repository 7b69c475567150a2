"""Settings of the service, from environment variables that begin with ``TYRE3D_API_``."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from configs.request import Location

_MIN_TOKEN = 16
_THREE_DAYS_S = 3 * 86400.0


class ApiSettings(BaseSettings):
    """Settings of the service; secrets come from the environment only."""

    model_config = SettingsConfigDict(env_prefix="TYRE3D_API_", frozen=True, extra="forbid")

    token: SecretStr | None = Field(
        default=None,
        description="token that may everything; while one replaces another, both, "
        "separated by a comma",
    )
    tokens_file: Path | None = Field(
        default=None,
        description="file of further tokens' digests with their scopes; it may change meanwhile",
    )
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
        description="flow/deployment that makes meshes",
    )
    compare_deployment: str = Field(
        default="compare/compare",
        pattern=r"^[^/]+/[^/]+$",
        description="flow/deployment that compares",
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
    max_upload_bytes: int = Field(
        default=4_000_000_000,
        ge=0,
        description="size limit of an uploaded video; 0: none is",
    )
    upload_reserve_bytes: int = Field(
        default=1_000_000_000,
        ge=0,
        description="uploads leave so much free on their disk, which others may need",
    )
    upload_endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="S3 as clients reach it, who send videos there; unset: as the service does",
    )
    origins: tuple[str, ...] = Field(
        default=(), description='origins whose pages may ask, as JSON: ["https://shop.example"]'
    )
    callback_hosts: tuple[str, ...] = Field(
        default=(),
        description='hosts that are told of the end of jobs, as JSON: ["shop.example"]',
    )
    callback_secret: SecretStr | None = Field(
        default=None,
        description="signs what is told; while one replaces another, both, separated by a comma",
    )
    callback_private: bool = Field(
        default=False, description="whether these hosts may be private ones, and http:// be used"
    )
    callback_every_s: float = Field(
        default=5.0, gt=0, le=3600, description="how often ended jobs are looked for"
    )
    callback_within_s: float = Field(
        default=_THREE_DAYS_S, gt=0, description="how long a host that does not answer is tried"
    )
    attempts: int = Field(
        default=3, ge=1, le=20, description="runs of one job, where its process died"
    )
    make_again_every_s: float = Field(
        default=15.0, gt=0, le=3600, description="how often jobs are looked for whose process died"
    )
    rate_per_s: float = Field(
        default=100.0,
        ge=0,
        description="requests a second of one client, twice as many at once; 0: as many as come",
    )
    max_waiting: int = Field(
        default=1000,
        ge=0,
        description="jobs of either kind that a client with a token of its own may have waiting; "
        "0: as many as come",
    )
    max_connections: int = Field(
        default=500, ge=1, le=10000, description="connections at a time; more are answered 503"
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

    @field_validator("token", "callback_secret")
    @classmethod
    def _long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        parts = _parts(token)
        if any(len(part) < _MIN_TOKEN for part in parts):
            raise ValueError(f"every one needs at least {_MIN_TOKEN} characters")
        if any(part.startswith("change-me") for part in parts):
            raise ValueError("this is the example's: generate one")
        return token

    @field_validator("origins")
    @classmethod
    def _whole_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{origin} is no origin such as https://shop.example")
        return origins

    @field_validator("callback_hosts")
    @classmethod
    def _plain_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not host or host != host.lower() or urlsplit(f"//{host}").netloc != host:
                raise ValueError(f"{host} is no host such as shop.example or shop.example:8443")
            if any(sign in host for sign in "*@ "):
                raise ValueError(f"{host}: every host is named by itself")
        return hosts

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if self.token is None and self.tokens_file is None:
            raise ValueError("give token, tokens_file or both")
        if self.callback_hosts and self.callback_secret is None:
            raise ValueError("callback_hosts need a callback_secret")
        return self

    @property
    def tokens(self) -> list[str]:
        """Tokens that may everything."""
        return _parts(self.token)

    @property
    def callback_secrets(self) -> list[str]:
        """What is told is signed with each of these."""
        return _parts(self.callback_secret)


def _parts(secret: SecretStr | None) -> list[str]:
    """What a comma separates."""
    return [] if secret is None else [p.strip() for p in secret.get_secret_value().split(",")]
