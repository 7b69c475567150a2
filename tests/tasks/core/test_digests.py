"""One spelling of plain data, one digest of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from configs.stages import MaskConfig
from tasks.core.digests import canonical, sha256_of


def test_canonical_json_has_one_spelling() -> None:
    assert canonical({"b": 1, "a": [1.5, "ü"]}) == '{"a":[1.5,"ü"],"b":1}'.encode()


def test_a_model_counts_as_its_fields() -> None:
    assert canonical({"c": MaskConfig()}) == canonical({"c": MaskConfig().model_dump(mode="json")})
    with pytest.raises(TypeError, match="no canonical JSON"):
        canonical({"c": object()})


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"content").hexdigest()
