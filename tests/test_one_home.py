"""What is decided in one place is not decided again in another: numbers that give a copy away."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "configs", "deployments", "flows", "tasks", "tsr")
HOMES = [
    ("tasks/imaging/srgb.py", (0.0031308, 0.04045, 12.92, 1.055), PACKAGES),
    # the iso-level of a field; elsewhere 25.0 is a size or an angle
    (
        "tsr/network/field.py",
        (25.0,),
        ("tsr", "tasks/evaluation", "tasks/fusion", "tasks/network", "tasks/training"),
    ),
]


def _numbers(tree: ast.AST) -> Iterator[float]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.value


def _thresholds(tree: ast.AST) -> Iterator[str]:
    """Comparisons of something called after an alpha or a mask with half of 255."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        numbers = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if any(n in (127, 127.5, 128) for n in numbers) and names & {"alpha", "alphas", "mask"}:
            yield ast.unparse(node)


def _modules(folders: tuple[str, ...]) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


@pytest.mark.parametrize(("home", "numbers", "folders"), HOMES)
def test_numbers_stand_in_their_home_alone(
    home: str, numbers: tuple[float, ...], folders: tuple[str, ...]
) -> None:
    elsewhere = {
        name
        for name, tree in _modules(folders)
        if name != home and set(_numbers(tree)) & set(numbers)
    }
    assert elsewhere == set()
    assert set(numbers) <= set(_numbers(ast.parse((ROOT / home).read_text())))


def test_the_foreground_of_an_alpha_is_decided_in_one_place() -> None:
    home = "tasks/imaging/masks.py"
    found = {name: list(_thresholds(tree)) for name, tree in _modules(PACKAGES)}
    assert {name for name, texts in found.items() if texts} == {home}
    assert list(_thresholds(ast.parse("parts[alpha > 127] = 0")))
