"""Runs are named after their folder of results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.support import run_names
from flows.support.run_names import after_folder


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"out_dir": "/srv/out/monday"}, "batch-monday"),
        ({"out_dir": "s3://b/out/tuesday"}, "batch-tuesday"),
        (SimpleNamespace(out_dir=Path("/srv/wednesday")), "batch-wednesday"),
        (SimpleNamespace(out_dir="s3://b"), "batch-b"),
    ],
)
def test_a_run_has_the_name_of_its_folder(
    request_: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As this process hands it on, and as a server does: plain data."""
    monkeypatch.setattr(run_names, "this_run", SimpleNamespace(parameters={"request": request_}))
    assert after_folder("batch")() == name
