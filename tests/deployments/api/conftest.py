"""The service against a stand-in of Prefect's HTTP API; the services tests use a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.api import prefect_runs
from deployments.api.settings import ApiSettings
from tests.deployments.api.service import TOKEN, Use, client_of
from tests.deployments.api.stand_in import Prefect


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_runs, "_WRITE_PAUSES_S", (0.0, *(0.01,) * 9))
    monkeypatch.setattr(prefect_runs, "_CREATION_PAUSES_S", (0.0, 0.01, 0.01, 0.01))


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    (tmp_path / "in" / "frames").mkdir(parents=True)
    (tmp_path / "in" / "tyre.mp4").write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "in" / "loop.mp4").symlink_to(tmp_path / "in" / "loop.mp4")
    (tmp_path / "in" / "list.m3u8").write_text("#EXTM3U")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "loop").symlink_to(tmp_path / "out" / "loop")
    (tmp_path / "out" / "folder.glb").mkdir()
    return ApiSettings.model_validate(
        {
            "token": TOKEN,
            "input_roots": [tmp_path / "in"],
            "output_roots": [tmp_path / "out"],
            "poll_s": 0.05,
        }
    )


@pytest.fixture
def use(
    prefect: Prefect, settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Use], None]:
    def run(test: Use) -> None:
        async def within() -> None:
            async for client in client_of(prefect, settings):
                await test(client)

        asyncio.run(within())

    return run


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    return {
        "video": str(tmp_path / "in" / "tyre.mp4"),
        "output_glb_path": str(tmp_path / "out" / "tyre.glb"),
        "preset": "fast",
    }
