"""Settings of the service: what would open it, or could not be meant, is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN

SECRET = "a-secret-of-the-tests"
WHOLE = {"token": TOKEN, "input_roots": ["/in"], "output_roots": ["/out"]}


def test_settings_without_a_token_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TYRE3D_API_TOKEN", "TYRE3D_API_INPUT_ROOTS", "TYRE3D_API_OUTPUT_ROOTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TYRE3D_API_INPUT_ROOTS", '["/in"]')
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", '["/out"]')
    with pytest.raises(ValidationError, match="token"):
        ApiSettings()
    monkeypatch.setenv("TYRE3D_API_TOKEN", TOKEN)
    monkeypatch.setenv("TYRE3D_API_INPUT_ROOTS", '["/in"]')
    monkeypatch.setenv("TYRE3D_API_OUTPUT_ROOTS", '["/out"]')
    assert TOKEN not in repr(ApiSettings())


@pytest.mark.parametrize(
    "change",
    [
        {"token": f"{TOKEN},short"},
        {"token": "change-me-to-something-long"},
        {"origins": ["*"]},
        {"origins": ["https://shop.example/"]},
        {"origins": ["shop.example"]},
    ],
)
def test_settings_that_would_open_the_service_are_refused(
    settings: ApiSettings, change: dict[str, Any]
) -> None:
    told: dict[str, Any] = WHOLE
    with pytest.raises(ValidationError):
        ApiSettings.model_validate(told | change)


@pytest.mark.parametrize(
    "change",
    [
        {"callback_secret": None},
        {"callback_secret": "short"},
        {"callback_secret": f"{SECRET},short"},
        {"callback_hosts": ["https://shop.example"]},
        {"callback_hosts": ["*.shop.example"]},
        {"callback_hosts": ["shop.example/a"]},
        {"callback_hosts": [""]},
    ],
)
def test_settings_of_callbacks_that_cannot_be_meant(change: dict[str, Any]) -> None:
    told: dict[str, Any] = WHOLE
    hosts = {"callback_hosts": ["shop.example"], "callback_secret": SECRET}
    ApiSettings.model_validate(told | hosts)
    with pytest.raises(ValidationError):
        ApiSettings.model_validate(told | hosts | change)


def test_a_service_without_any_token_is_refused(tmp_path: Path) -> None:
    roots = {"input_roots": ["/in"], "output_roots": ["/out"]}
    with pytest.raises(ValidationError, match="tokens_file"):
        ApiSettings.model_validate(roots)


def test_every_default_lies_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"TYRE3D_API_{n.upper()}" for n in ApiSettings.model_fields}
    names |= {"PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"}
    for name in names:
        monkeypatch.delenv(name, raising=False)
    settings = ApiSettings.model_validate(WHOLE)
    values = {
        field.validation_alias or name: getattr(settings, name)
        for name, field in ApiSettings.model_fields.items()
    }
    assert ApiSettings.model_validate(values) == settings


def test_while_one_secret_replaces_another_both_count() -> None:
    pairs = {"token": f"{TOKEN} , {TOKEN}2", "callback_secret": f"{SECRET},{SECRET}2"}
    settings = ApiSettings.model_validate(WHOLE | pairs)
    assert settings.tokens == [TOKEN, f"{TOKEN}2"]
    assert settings.callback_secrets == [SECRET, f"{SECRET}2"]
    alone = ApiSettings.model_validate({**WHOLE, "token": None, "tokens_file": Path("/tokens")})
    assert (alone.tokens, alone.callback_secrets) == ([], [])
    assert SecretStr(TOKEN) == ApiSettings.model_validate(WHOLE).token
