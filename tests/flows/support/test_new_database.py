"""A new database is made at once, as Prefect would make it, and only where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.support import new_database
from flows.support.database import what_is_wrong
from flows.support.new_database import SCHEMA, make_database, schema_of

MADE_BY_PREFECT = "from flows.support.new_database import made_by_prefect; print(made_by_prefect())"


def lines(schema: str) -> list[str]:
    """In an order of their own: that of constraints changes from one time to the next."""
    return sorted(line.rstrip(", ") for line in schema.splitlines())


def test_it_is_as_prefect_makes_it(tmp_path: Path) -> None:
    """Else, as after another release of Prefect: ``python -m flows.support.new_database``."""
    told = subprocess.run(
        [sys.executable, "-c", MADE_BY_PREFECT],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    make_database(tmp_path / "new" / "prefect.db")
    assert lines(told.stdout.rstrip()) == lines(schema_of(tmp_path / "new" / "prefect.db"))


def test_it_holds_nothing_but_how_far_its_schema_is(tmp_path: Path) -> None:
    make_database(tmp_path / "prefect.db")
    assert what_is_wrong(tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["prefect.db"]
    (row,) = [line for line in SCHEMA.read_text().splitlines() if line.startswith("INSERT")]
    assert "alembic_version" in row


@pytest.mark.parametrize("there", ["prefect.db", "prefect.db-wal", "prefect.db-journal"])
def test_what_is_there_is_left_alone(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_bytes(b"")
    make_database(tmp_path / "prefect.db")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == b""


@pytest.mark.parametrize("why", ["other release", "missing", "damaged", "no links", "read-only"])
def test_it_is_left_to_prefect_where_it_cannot_be_made(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = tmp_path / "schema.sql"
    monkeypatch.setattr(new_database, "SCHEMA", schema)
    home = tmp_path / "prefect"
    home.touch() if why == "read-only" else home.mkdir()
    text = SCHEMA.read_text()
    if why == "other release":
        text = text.replace("Prefect", "Prefect 2", 1)
    if why == "damaged":
        text = text[: len(text) // 2]
    if why != "missing":
        schema.write_text(text)
    if why == "no links":
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "")))
    make_database(home / "prefect.db")
    assert why == "read-only" or list(home.iterdir()) == []


def test_of_several_at_once_one_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "prefect.db"
    together = threading.Barrier(4)

    def make() -> None:
        together.wait()
        make_database(path)

    making = [threading.Thread(target=make) for _ in range(4)]
    for thread in making:
        thread.start()
    for thread in making:
        thread.join()
    assert list(tmp_path.iterdir()) == [path]
    assert lines(schema_of(path)) == lines(SCHEMA.read_text())
