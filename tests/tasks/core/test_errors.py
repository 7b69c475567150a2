"""Every code that the source raises is known here: either another try can help, or it cannot."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tasks.core import errors
from tasks.core.errors import TRANSIENT_CODES, Tyre3dError, is_transient
from tasks.core.failures import Failure, failure_of_error, failure_of_state

ROOT = Path(__file__).parents[3]
KINDS = {k: v for k, v in vars(errors).items() if isinstance(v, type) and k != "Tyre3dError"}
PERMANENT = frozenset(
    {
        "artifacts-missing",
        "bad-option",
        "bad-setting",
        "batch-address",
        "batch-empty",
        "batch-prefix",
        "batch-running",
        "cancelled",
        "device-missing",
        "disk-full",
        "films-names",
        "films-single",
        "films-table",
        "folder-no-images",
        "frame-too-large",
        "frame-too-small",
        "gauge-films",
        "glb-broken",
        "glb-too-large",
        "glb-unreadable",
        "image-unreadable",
        "input-missing",
        "input-name",
        "input-unreadable",
        "internal",
        "merge-empty",
        "merge-no-pose",
        "mesh-broken",
        "mesh-empty",
        "model-differs",
        "model-missing",
        "model-unreachable",
        "model-unreadable",
        "no-good-frame",
        "no-server",
        "no-tyre",
        "not-deployed",
        "not-round",
        "output-foreign",
        "output-unwritable",
        "port-taken",
        "poses-failed",
        "poses-no-tyre",
        "release-differs",
        "result-incomplete",
        "result-missing",
        "server-denied",
        "server-running",
        "storage-address",
        "storage-denied",
        "storage-key",
        "storage-missing",
        "storage-not-shared",
        "storage-path",
        "too-few-frames",
        "too-slow",
        "training-no-data",
        "training-old-checkpoint",
        "training-old-data",
        "training-other-network",
        "training-refused",
        "unknown-model",
        "unknown-pool",
        "unknown-session",
        "usage",
        "video-damaged",
        "video-empty",
        "video-no-picture",
        "video-too-long",
        "video-truncated",
        "video-unreadable",
        "weights-digest",
        "weights-unreadable",
    }
)


def _name(node: ast.expr | None) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _takes_code(maker: ast.FunctionDef) -> bool:
    return [argument.arg for argument in maker.args.args][:1] == ["code"]


@cache
def _raised_codes() -> frozenset[str]:
    """Codes given to the error classes, to what makes errors of them, and to failures."""
    return frozenset(_codes_in_calls())


def _codes_in_calls() -> Iterator[str]:
    trees = [
        ast.parse(path.read_text())
        for folder in ("tasks", "flows", "deployments", "configs")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    makers = {*KINDS, "Tyre3dError", "Failure"}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and _takes_code(node):
                makers.add(node.name)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in makers and node.args:
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value


def test_every_code_in_the_source_is_classified() -> None:
    codes = {code for code in _raised_codes() if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)}
    assert {"disk-full", "video-empty", "mesh-broken", "crashed"} <= codes
    assert not TRANSIENT_CODES & set(PERMANENT)
    assert codes - TRANSIENT_CODES - set(PERMANENT) == set()
    assert TRANSIENT_CODES - codes == set()


def test_codes_that_the_readme_names_are_in_the_source() -> None:
    text = (ROOT / "README.md").read_text().partition("## Reading failures")[2]
    table = text.partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table))
    assert named
    assert named <= _raised_codes()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("code", [*sorted(PERMANENT | TRANSIENT_CODES), "never-heard-of"])
def test_a_code_says_the_same_everywhere(kind: type[Tyre3dError], code: str) -> None:
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
