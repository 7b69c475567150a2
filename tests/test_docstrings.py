"""What docstrings say of arguments, constants and fields can be read alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "configs", "deployments", "flows", "tasks", "tests", "tsr")
_OF = re.compile(r"^\s+\w+(, \w+)*: (Of|Whose|From which) ", re.MULTILINE)
_STARTS = re.compile(r"\s*(Of|Whose|From which)\b")


def _strings_after(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and texts of strings that stand below an assignment: docs of constants and fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for before, after in pairwise(body) if isinstance(body, list) else ():
            if not isinstance(before, ast.Assign | ast.AnnAssign):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                yield after.lineno, str(after.value.value)


def _definitions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and texts of the docstrings of classes, functions and properties, but not of tests."""
    for node in ast.walk(tree):
        is_definition = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_definition and not node.name.startswith("test_"):
            yield node.lineno, ast.get_docstring(node) or ""


def _whose_alone(text: str) -> list[int]:
    """Lines of docs of constants, fields and definitions that say only whose they are."""
    tree = ast.parse(text)
    docs = (*_strings_after(tree), *_definitions(tree))
    return sorted(line for line, doc in docs if _STARTS.match(doc))


def test_no_argument_is_described_by_whose_it_is_alone() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 400
    assert [str(f.relative_to(ROOT)) for f in files if _OF.search(f.read_text())] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_constant_field_or_function_is_described_by_whose_it_is_alone(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in _whose_alone(path.read_text())
    ]
    assert found == []


def test_docs_that_say_whose_they_are_alone_are_seen() -> None:
    text = (
        'A = 1\n"""Of a tyre."""\nB: int = 2\n"""Its radius."""\n'
        'class C:\n    """Whose it is."""\n    d: int\n    """Of a rim."""\n'
    )
    assert _whose_alone(text) == [2, 5, 8]
