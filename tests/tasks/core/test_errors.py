"""Codes of errors: those of the source, and that one says the same wherever it is met."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tasks.core import errors
from tasks.core.errors import TRANSIENT_CODES, Tyre3dError, is_transient, kind_of
from tasks.core.failures import Failure, failure_of_error, failure_of_state

ROOT = Path(__file__).parents[3]
KINDS = {k: v for k, v in vars(errors).items() if isinstance(v, type) and k != "Tyre3dError"}
CODE = r"[a-z0-9]+(-[a-z0-9]+)*"


def _name(node: ast.expr | None) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _takes_code(maker: ast.FunctionDef) -> bool:
    return [argument.arg for argument in maker.args.args][:1] == ["code"]


@cache
def raised_codes() -> frozenset[str]:
    """Codes given to the error classes, to what makes errors of them, and to failures."""
    return frozenset(code for _, code in _codes_in_calls() if re.fullmatch(CODE, code))


def _codes_in_calls() -> Iterator[tuple[str, str]]:
    """The kinds of errors and failures that are made in the source, with their codes."""
    trees = [
        ast.parse(path.read_text())
        for folder in ("tasks", "flows", "deployments", "configs")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    makers = {kind: kind for kind in (*KINDS, "Tyre3dError", "Failure")}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and _takes_code(node):
                made = {_name(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
                makers.update((node.name, kind) for kind in made & set(KINDS))
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in makers and node.args:
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield makers[_name(node.func)], part.value


def test_the_codes_of_the_source_are_found_and_those_that_may_pass_are_among_them() -> None:
    assert {"disk-full", "video-empty", "mesh-broken", "crashed"} <= raised_codes()
    assert raised_codes() >= TRANSIENT_CODES


def test_a_code_is_of_the_kind_that_is_raised_with_it() -> None:
    """From a state message the code alone is known; the exit code follows from the kind."""
    raised = {
        (kind, code)
        for kind, code in _codes_in_calls()
        if kind in KINDS and re.fullmatch(CODE, code)
    }
    assert {(kind_of(code).__name__, code) for _, code in raised} == raised
    assert {code for kind in KINDS.values() for code in kind.codes} == {code for _, code in raised}
    assert kind_of("internal") is Tyre3dError


def test_codes_that_the_readme_names_are_in_the_source() -> None:
    text = (ROOT / "README.md").read_text().partition("## Reading failures")[2]
    table = text.partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table))
    assert named
    assert named <= raised_codes()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_a_code_says_the_same_everywhere(kind: type[Tyre3dError]) -> None:
    for code in (*raised_codes(), "never-heard-of"):
        _check_everywhere(kind, code)


def _check_everywhere(kind: type[Tyre3dError], code: str) -> None:
    error = kind(code, stage="merge", what="a: b", advice="Do it")
    pickled = pickle.loads(pickle.dumps(error))
    state = f"Task run encountered an exception {kind.__name__}: {error}"
    failures = [error, pickled, failure_of_error(pickled), failure_of_state("FAILED", state)]
    assert [f.retryable for f in failures] == [code in TRANSIENT_CODES] * 4
    assert str(pickled) == str(error)
    assert failures[2] == failures[3] == Failure(code, "merge", "a: b. Do it")


def test_an_error_cannot_be_declared_retryable_by_hand() -> None:
    error = errors.StorageError("disk-full", stage="x", what="y", advice="z")
    with pytest.raises(AttributeError):
        error.retryable = True  # type: ignore[misc]
    assert not is_transient("disk-full")
