"""A small data set, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tasks.training.tiny import write_data


@pytest.fixture(scope="package")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("shards"))
