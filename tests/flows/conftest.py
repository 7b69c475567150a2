"""What tests of flows and of the command line share."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of the test's own, and our log as it is before a command sets it up."""
    monkeypatch.setenv("TYRE3D_HOME", str(tmp_path / "home"))
    for name in ("PREFECT_LOCAL_STORAGE_PATH", "PREFECT_RESULTS_LOCAL_STORAGE_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "home/results"))
    log = logging.getLogger("tyre3d")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
