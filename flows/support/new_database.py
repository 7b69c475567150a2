"""A new database for Prefect's server, made at once.

Prefect makes one by repeating every change of its tables since 2022, which took as long as all the
rest of a server's start. Here the tables are made as they are after the last change. No row is
written but which change that was, so that Prefect finds nothing left to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import tempfile
from importlib.metadata import version as package_version
from pathlib import Path

from tasks.storage.partial_files import part_of

SCHEMA = Path(__file__).with_name("prefect_schema.sql")
"""The tables of one release of Prefect, which its first line names; for another it is not used."""


def make_database(path: Path) -> None:
    """Make Prefect's database unless there is one; where this cannot be, Prefect makes it.

    Args:
        path: SQLite's file.
    """
    with contextlib.suppress(OSError, sqlite3.Error):
        schema = SCHEMA.read_text()
        # a log that was left there would be applied to the new database
        if not schema.startswith(_release()) or any(path.parent.glob(f"{path.name}*")):
            return
        with part_of(path) as part:
            with contextlib.closing(sqlite3.connect(part)) as made:
                made.execute("PRAGMA journal_mode=MEMORY")  # no file that a killed process leaves
                made.executescript(schema)
            os.link(part, path)  # fails where another server was faster


def make_own_database() -> None:
    """Make that of Prefect's folder, unless it is elsewhere or the server may not make it."""
    from prefect.settings import get_current_settings

    path = get_current_settings().home / "prefect.db"
    database = get_current_settings().server.database
    own = database.connection_url is not None and database.connection_url.get_secret_value()
    if database.migrate_on_start and own == f"sqlite+aiosqlite:///{path}":
        make_database(path)


def made_by_prefect() -> str:
    """The schema as Prefect makes it, which takes seconds."""
    from prefect.server.database import provide_database_interface
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prefect.db")
        url = f"sqlite+aiosqlite:///{path}"
        with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: url}):
            asyncio.run(provide_database_interface().create_db())
        return schema_of(path)


def schema_of(path: Path) -> str:
    """What makes a database like this one, with all that is in it."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return "\n".join([_release().rstrip(), *database.iterdump()]) + "\n"


def _release() -> str:
    return f"-- Prefect {package_version('prefect')} (Apache-2.0)\n"


if __name__ == "__main__":
    SCHEMA.write_text(made_by_prefect())
    sys.stdout.write(f"{SCHEMA}\n")
