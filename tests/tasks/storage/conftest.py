"""A folder on the disk and one in a bucket, for tests of what lies in either."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from configs.settings import Settings
from tasks.storage.base import Storage
from tasks.storage.local import LocalStorage
from tasks.storage.s3 import S3Storage
from tests.support.s3 import filesystem, s3_endpoint, s3_settings


@dataclass
class Where:
    """A folder of either kind, its settings, and the storage of it."""

    location: Path | str
    settings: Settings
    storage: Storage


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    if request.param == "local":
        folder = tmp_path / "root"
        return Where(folder, Settings(home=tmp_path / "home"), LocalStorage(folder))
    endpoint = request.getfixturevalue("endpoint")
    bucket = f"bucket-{os.urandom(4).hex()}"
    filesystem(endpoint).mkdir(bucket)
    settings = s3_settings(endpoint, home=tmp_path / "home")
    return Where(f"s3://{bucket}/in", settings, S3Storage(f"s3://{bucket}/in", settings))
