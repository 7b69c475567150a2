"""Settings of an installation: names of variables, bounds, folders that follow from others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from configs.settings import Settings, default_home


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TYRE3D_{name.upper()}", raising=False)
    monkeypatch.delenv("TRIPOSR_DEVICE", raising=False)


@pytest.mark.parametrize(
    ("platform", "variables", "home"),
    [
        ("linux", {}, "u/.cache/tyre3d"),
        ("linux", {"XDG_CACHE_HOME": ""}, "u/.cache/tyre3d"),
        ("linux", {"XDG_CACHE_HOME": "/cache"}, "/cache/tyre3d"),
        ("darwin", {"XDG_CACHE_HOME": "/cache"}, "u/Library/Caches/tyre3d"),
        ("win32", {}, "u/AppData/Local/tyre3d"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/tyre3d"),
    ],
)
def test_the_home_is_where_the_platform_keeps_such_files(
    platform: str,
    variables: dict[str, str],
    home: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path / "u"))
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_home() == tmp_path / home
    assert Settings().home == default_home()


def test_everything_lies_below_the_home_unless_it_is_said_otherwise() -> None:
    settings = Settings(home=Path("/h"))
    assert settings.storage_root == "/h/artifacts"
    assert (settings.models_dir, settings.scratch_dir) == (Path("/h/models"), Path("/h/scratch"))
    assert Settings(home=Path("/h"), storage="s3://b/p").storage_root == "s3://b/p"


def test_every_default_lies_within_its_bounds() -> None:
    values = Settings().model_dump()
    values["TRIPOSR_DEVICE"] = values.pop("device")
    assert Settings.model_validate(values) == Settings()
    with pytest.raises(ValidationError, match="frozen"):
        Settings().storage = "s3://b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "field", "held"),
    [
        ("TRIPOSR_DEVICE", "cuda:1", "device", "cuda:1"),
        ("TRIPOSR_DEVICE", "", "device", "auto"),
        ("TYRE3D_S3_TIMEOUT_S", "1.5", "s3_timeout_s", 1.5),
        ("TYRE3D_INFER_DEPLOYMENT", "infer/gpu", "infer_deployment", "infer/gpu"),
        ("TYRE3D_LOG_JSON", "1", "log_json", True),
    ],
)
def test_variables_set_what_they_name(
    variable: str, value: str, field: str, held: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(Settings(), field) == held


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TYRE3D_S3_ENDPOINT_URL", "localhost:9000"),
        ("TYRE3D_S3_ENDPOINT_URL", "ftp://localhost"),
        ("TYRE3D_INFER_DEPLOYMENT", "infer"),
        ("TYRE3D_INFER_DEPLOYMENT", "infer/gpu/0"),
        ("TYRE3D_S3_ATTEMPTS", "0"),
        ("TYRE3D_LINKS_PORT", "65536"),
    ],
)
def test_what_cannot_be_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=variable.removeprefix("TYRE3D_").lower()):
        Settings()


def test_keys_are_written_out_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYRE3D_S3_SECRET_KEY", "sesame")
    settings = Settings()
    assert "sesame" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.s3_secret_key is not None
    assert settings.s3_secret_key.get_secret_value() == "sesame"
