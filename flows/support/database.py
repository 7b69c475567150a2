"""Whether Prefect's database of a folder can be used, before a server finds out that it cannot."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sqlite3
from pathlib import Path

_NAMED = ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")
_MIGRATIONS = "server/database/_migrations/versions/sqlite"


def what_is_wrong(folder: Path) -> str:
    """Why Prefect's server would not start with the database of a folder; empty if it would.

    Args:
        folder: Prefect's, with ``prefect.db`` in it or not yet.
    """
    path = folder / "prefect.db"
    if any(os.environ.get(name) for name in _NAMED) or not path.exists():
        return ""
    if not path.is_file():
        return "is no file"
    if not os.access(path, os.R_OK | os.W_OK):
        return "cannot be written"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as database:
            found = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:  # locked, or not made yet
        return ""
    except sqlite3.DatabaseError as exc:
        return f"is damaged ({exc})"
    if found is not None and not _is_known(str(found[0])):
        return "was written by another release of Prefect"
    return ""


def _is_known(revision: str) -> bool:
    """Whether a migration of this release ends at a revision."""
    found = importlib.util.find_spec("prefect")
    folders = (
        [Path(location, _MIGRATIONS) for location in found.submodule_search_locations or ()]
        if found
        else []
    )
    scripts = [path for folder in folders for path in folder.glob("*.py")]
    mark = f'revision = "{revision}"'
    return not scripts or any(mark in path.read_text() for path in scripts)
