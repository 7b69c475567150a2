"""Fixtures for the tests of evidence and decision."""

from __future__ import annotations

import pytest

from tests.tasks.fusion.painted import Sweep, sweep


@pytest.fixture(scope="session")
def spoked(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep(tmp_path_factory.mktemp("face"), spokes=5)


@pytest.fixture(scope="session")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep(tmp_path_factory.mktemp("disc"), spokes=0)
