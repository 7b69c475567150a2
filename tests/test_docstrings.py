"""What docstrings say of arguments can be read alone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OF = re.compile(r"^\s+\w+(, \w+)*: (Of|Whose|From which) ", re.MULTILINE)


def test_no_argument_is_described_by_whose_it_is_alone() -> None:
    packages = ("bench", "configs", "deployments", "flows", "tasks", "tests", "tsr")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 400
    assert [str(f.relative_to(ROOT)) for f in files if _OF.search(f.read_text())] == []
