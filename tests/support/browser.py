"""Debian's chromium, driven by playwright-core, as a function."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]


def told_by_browser(script: str, page: Path, timeout_s: float = 400.0) -> dict[str, Any]:
    """What a script of this folder saw of a page. Without a browser it skips the test.

    Args:
        script: Name of the script; it is given the browser and the page, and prints JSON.
        page: The page's file.
        timeout_s: How long the script may take; pictures are drawn without a GPU.
    """
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium; install Debian's package, or name one by CHROMIUM")
    if shutil.which("node") is None or not (_ROOT / "node_modules/playwright-core").is_dir():
        pytest.skip("playwright-core is not installed; run: npm ci")
    command = ["node", str(Path(__file__).parent / script), browser, str(page)]
    answer = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return dict(json.loads(answer.stdout.splitlines()[-1]))
