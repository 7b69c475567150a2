"""A database that Prefect's server would not start with is told of before."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path

import pytest

from configs.settings import Settings
from flows.cli.commands import prepare
from flows.support.database import what_is_wrong
from flows.support.own_server import prefect_home
from tasks.core.errors import ResourceError

KNOWN = "a3b9c7d2e5f1"
"""Revision of the last migration of the release of Prefect that is locked."""


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "no_proxy", "NO_PROXY")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ["PREFECT_HOME"] = str(tmp_path / "prefect")


def database(folder: Path, revision: str) -> None:
    folder.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "prefect.db")) as made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        made.commit()


def test_what_is_there_not_yet_or_of_this_release_is_sound(tmp_path: Path) -> None:
    assert what_is_wrong(tmp_path) == ""
    database(tmp_path / "known", KNOWN)
    assert what_is_wrong(tmp_path / "known") == ""
    (tmp_path / "prefect.db").touch()  # a server that was killed as it began
    assert what_is_wrong(tmp_path) == ""


def test_what_is_no_file_or_read_only_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder" / "prefect.db").mkdir(parents=True)
    assert what_is_wrong(tmp_path / "folder") == "is no file"
    database(tmp_path / "known", KNOWN)
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    assert what_is_wrong(tmp_path / "known") == "cannot be written"


@pytest.mark.parametrize("damaged", [True, False])
def test_runs_are_recorded_elsewhere_where_the_database_cannot_be_used(
    damaged: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if damaged:
        prefect_home().mkdir()
        (prefect_home() / "prefect.db").write_bytes(b"no database" * 1000)
    else:
        database(prefect_home(), "ffffffffffff")
    (prefect_home() / "profiles.toml").touch()
    theirs, settings = prefect_home(), Settings(home=tmp_path / "home")
    log = logging.getLogger("tyre3d")
    try:
        prepare(settings, verbose=False)
        told = capsys.readouterr().err
        assert ("is damaged" if damaged else "another release of Prefect") in told
        assert str(settings.home / "prefect") in told
        assert prefect_home() == settings.home / "prefect"
        assert os.environ["PREFECT_PROFILES_PATH"] == str(theirs / "profiles.toml")
        prefect_home().mkdir(parents=True)
        (prefect_home() / "prefect.db").write_bytes(b"nor is this one" * 1000)
        with pytest.raises(ResourceError, match=r"server-start.*damaged.*Move it away"):
            prepare(settings, verbose=False)
    finally:
        log.handlers[:] = []
        log.propagate = True


@pytest.mark.parametrize("how", ["a file lies there", "it is read-only"])
def test_runs_are_recorded_elsewhere_where_the_home_folder_cannot_be_written(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container with a read-only root."""
    (tmp_path / "user").mkdir() if how == "it is read-only" else (tmp_path / "user").touch()
    os.environ["HOME"] = str(tmp_path / "user")
    del os.environ["PREFECT_HOME"]
    real = os.access
    if how == "it is read-only":  # root may write wherever nothing is mounted read-only
        monkeypatch.setattr(
            os, "access", lambda path, mode: Path(path) != tmp_path / "user" and real(path, mode)
        )
    settings, log = Settings(home=tmp_path / "home"), logging.getLogger("tyre3d")
    try:
        prepare(settings, verbose=False)
        assert prefect_home() == settings.home / "prefect"
        assert capsys.readouterr().err == "", "nobody needs to be told"
    finally:
        log.handlers[:] = []
        log.propagate = True
