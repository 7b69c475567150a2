"""What a run left, and whether it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.settings import Settings
from tasks.core.errors import InputError
from tasks.report.result_files import whole_result

GLB = b"a mesh"
TOLD: dict[str, Any] = {
    "input": {"name": "new.mp4", "sha256": "1" * 64},
    "scale": {"nominal_diameter_mm": 680.0},
    "verdict": "review",
    "reasons": [{"code": "x", "message": "why"}],
    "stages": [{"stage": "merge", "uri": "/store/cas/merge/key/manifest.json"}],
    "glb_sha256": hashlib.sha256(GLB).hexdigest(),
}


@pytest.fixture
def glb(tmp_path: Path) -> Path:
    (tmp_path / "tyre.glb").write_bytes(GLB)
    (tmp_path / "tyre.json").write_text(json.dumps(TOLD))
    return tmp_path / "tyre.glb"


@pytest.mark.parametrize("name", ["tyre.glb", "tyre.json", "tyre.html", "tyre"])
def test_a_result_is_found_by_any_of_its_names(glb: Path, name: str) -> None:
    found = whole_result(str(glb.parent / name), Settings())
    assert (found.location, found.metadata) == (glb, TOLD)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda told: None,
        lambda told: [],
        lambda told: {},
        lambda told: told | {"stages": None},
        lambda told: told | {"stages": [{"stage": "merge"}]},
        lambda told: told | {"input": "new.mp4"},
        lambda told: told | {"reasons": ["why"]},
        lambda told: told | {"scale": {}},
        lambda told: told | {"scale": {"nominal_diameter_mm": "680"}},
        lambda told: told | {"scale": {"nominal_diameter_mm": float("nan")}},
        lambda told: told | {"verdict": None},
    ],
)
def test_metadata_that_say_too_little_are_refused(glb: Path, spoilt: Callable[[Any], Any]) -> None:
    glb.with_suffix(".json").write_text(json.dumps(spoilt(TOLD)))
    with pytest.raises(InputError, match=r"result-incomplete.*missing or damaged"):
        whole_result(str(glb), Settings())


def test_metadata_that_are_cut_off_or_gone_are_refused(glb: Path) -> None:
    glb.with_suffix(".json").write_text(json.dumps(TOLD)[:-5])
    with pytest.raises(InputError, match="result-incomplete"):
        whole_result(str(glb), Settings())
    glb.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="result-incomplete"):
        whole_result(str(glb), Settings())


def test_metadata_of_another_mesh_are_refused(glb: Path) -> None:
    """What is compared is found by the metadata: it would be the other tyre."""
    glb.write_bytes(b"another mesh")
    with pytest.raises(InputError, match=r"result-incomplete.*another mesh"):
        whole_result(str(glb), Settings())
