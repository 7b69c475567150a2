"""The local server makes its database before Prefect does, and none but the usual one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from prefect.settings import (
    PREFECT_HOME,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    PREFECT_SERVER_DATABASE_MIGRATE_ON_START,
    temporary_settings,
)

from flows.cli import server_process
from flows.support.database import what_is_wrong
from flows.support.new_database import make_own_database


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Prefect's folder, of which a database is asked for."""
    with temporary_settings(
        {PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_SERVER_DATABASE_CONNECTION_URL}
    ):
        yield tmp_path


def test_the_database_is_there_as_prefect_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    begun: list[bool] = []

    async def start(*_: object) -> None:
        assert not begun
        assert not gc.isenabled(), "while it imports and starts"
        found.append((home / "prefect.db").exists() and what_is_wrong(home))

    monkeypatch.setattr(uvicorn.Server, "startup", start)
    monkeypatch.setattr(server_process, "collect_in_a_thread", lambda: begun.append(True))
    gc.disable()
    try:
        asyncio.run(server_process._Server(uvicorn.Config("no:app")).startup())
        assert begun == [True]
    finally:
        gc.enable()
        gc.unfreeze()
    assert found == [""]


@pytest.mark.parametrize("how", ["another database", "a file elsewhere", "not on start"])
def test_no_database_is_made_where_another_is_asked_for(how: str, home: Path) -> None:
    asked: dict[str, dict[Any, Any]] = {
        "another database": {
            PREFECT_SERVER_DATABASE_CONNECTION_URL: "postgresql+asyncpg://user:word@host/prefect"
        },
        "a file elsewhere": {
            PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{home}/other.db"
        },
        "not on start": {PREFECT_SERVER_DATABASE_MIGRATE_ON_START: False},
    }
    with temporary_settings(asked[how]):
        make_own_database()
    assert list(home.iterdir()) == []
