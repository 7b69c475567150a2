"""The runbook tells of every code that the program can give, and of no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from deployments.api.errors import _CODES
from tasks.core.errors import TRANSIENT_CODES
from tests.tasks.core.test_errors import raised_codes

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


def _rows() -> dict[str, str]:
    """By code: the last cell of its row."""
    lines = [line.strip("|").split("|") for line in RUNBOOK.splitlines() if line.startswith("| `")]
    return {
        code: cells[-1].strip()
        for cells in lines
        for code in re.findall(r"`([a-z0-9-]+)`", cells[0])
    }


def _codes_of_the_api() -> set[str]:
    """The second argument of every ``ApiError`` that is written out."""
    found = set(_CODES.values())
    for path in (ROOT / "deployments" / "api").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ApiError":
                code = node.args[1]
                if isinstance(code, ast.Constant):
                    found.add(str(code.value))
    return found


def test_every_code_is_told_of_once() -> None:
    told = re.findall(
        r"`([a-z0-9-]+)`", "".join(x.split("|")[1] for x in RUNBOOK.splitlines() if x[:3] == "| `")
    )
    assert len(told) == len(set(told))
    of_training = {c for c in raised_codes() if c.startswith("training-")}  # no service trains
    api = _codes_of_the_api()
    assert {"busy", "not-permitted", "path-refused", "invalid", "prefect-away"} <= api
    assert set(told) == (raised_codes() - of_training) | api


def test_it_says_rightly_whether_another_try_can_help() -> None:
    said = {code: again == "yes" for code, again in _rows().items() if code in raised_codes()}
    assert said
    assert {code for code, again in said.items() if again} == TRANSIENT_CODES
