"""The source as text: where a word stands in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("configs", "deployments", "flows", "tasks", "tsr")


@cache
def texts() -> dict[str, str]:
    """The text of every module, by its path below the root."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(files)}


def places_of(pattern: str) -> list[str]:
    """The modules in which a pattern stands, as often as it does."""
    return [path for path, text in texts().items() for _ in re.finditer(pattern, text)]
