"""Which storage an address means; one of no known kind is refused, never taken for a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from configs.locations import SCHEMES
from configs.request import ReconstructRequest
from configs.settings import Settings
from tasks.batch.sources import find_sources
from tasks.core.errors import InputError, StorageError
from tasks.storage.local import LocalStorage
from tasks.storage.open import MAKERS, open_storage
from tasks.storage.s3 import S3Storage


def test_a_folder_and_a_bucket_are_told_apart(tmp_path: Path) -> None:
    assert isinstance(open_storage(tmp_path, Settings()), LocalStorage)
    assert isinstance(open_storage(str(tmp_path), Settings()), LocalStorage)
    assert isinstance(open_storage("s3://bucket", Settings()), S3Storage)
    assert isinstance(open_storage("s3://bucket/a/b", Settings()), S3Storage)


def test_every_scheme_has_its_storage() -> None:
    assert set(MAKERS) == set(SCHEMES)


@pytest.mark.parametrize("address", ["gs://bucket/x", "S3://bucket/x", "s3:///x", "s3://b/../x"])
def test_an_address_of_no_known_kind_is_refused_everywhere(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="storage-address") as caught:
        open_storage(address, Settings())
    assert not caught.value.retryable
    with pytest.raises(ValidationError, match="address"):
        ReconstructRequest.model_validate({"input": address, "glb_path": tmp_path / "a.glb"})
    with pytest.raises(InputError, match="batch-address"):
        find_sources([address], Settings())
    assert list(tmp_path.iterdir()) == []
