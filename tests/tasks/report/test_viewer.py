"""The viewer's bundle is the one that its source makes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_the_bundle_is_of_this_source(tmp_path: Path) -> None:
    if shutil.which("node") is None or not (ROOT / "node_modules/esbuild").is_dir():
        reason = "esbuild is not installed; run: npm ci"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    made = tmp_path / "viewer.js"
    subprocess.run(["node", "viewer/build.mjs", str(made)], cwd=ROOT, check=True)
    kept = ROOT / "tasks/report/assets/viewer.js"
    assert made.read_bytes() == kept.read_bytes(), "run: make viewer"
