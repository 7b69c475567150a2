"""What is installed: the wheel holds all that runs, and what the source imports is required."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("configs", "flows", "tasks", "tsr")
NOT_IMPORTED = {"einops", "sqlalchemy", "transformers", "websockets"}
BROUGHT_ALONG = {
    "botocore",
    "markupsafe",
    "onnxruntime",
    "starlette",
}  # by s3fs, Jinja2, rembg[cpu], FastAPI
ONLY_FOR_TRAINING = {"matplotlib"}  # a requirement of development
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def normalized(requirement: str) -> str:
    (name,) = re.findall(r"^[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folders: tuple[str, ...]) -> set[str]:
    """Top-level modules that the source imports, of others."""
    modules = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules.add(node.module)
    names = {module.partition(".")[0] for module in modules}
    return names - set(sys.stdlib_module_names) - {*folders}


def test_what_is_imported_is_required_and_what_is_required_is_imported() -> None:
    owners = packages_distributions()
    found = {normalized(owners[name][0]) for name in imported((*PACKAGES, "deployments"))}
    required = {normalized(text) for text in PROJECT["dependencies"]}
    assert found - BROUGHT_ALONG - ONLY_FOR_TRAINING == required - NOT_IMPORTED
    assert required & NOT_IMPORTED == NOT_IMPORTED
    assert found >= BROUGHT_ALONG | ONLY_FOR_TRAINING


def test_what_is_shipped_imports_without_what_is_only_for_development() -> None:
    """Deployments are made where flows are imported: an image without these could make none."""
    needs: dict[str, set[str]] = {}
    for path in (path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in _at_import(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                needs.setdefault(name, set()).update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                needs.setdefault(name, set()).update(
                    {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                )
    without = {
        name
        for name, found in needs.items()
        if {module.partition(".")[0] for module in found} & ONLY_FOR_TRAINING
    }
    assert without == {"tasks.training.report"}
    assert [name for name, found in needs.items() if found & without] == []


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What is executed when a module is imported: all but what stands in functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _at_import(child)


def test_requirements_are_sorted() -> None:
    for names in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        assert [normalized(n) for n in names] == sorted(normalized(n) for n in names)


def test_the_wheel_holds_every_tracked_file_of_the_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "pyproject.toml", "README.md", "LICENSE", *PACKAGES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    for name in files:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(ROOT / name)
    (tmp_path / "dist").mkdir()
    command = [sys.executable, "-c", BUILD, str(tmp_path / "dist")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in files if name.startswith(PACKAGES)} - held == set()
    assert "configs/models/tyre-mini/model.safetensors" in held
    assert "configs/models/tyre-segmenter/segmenter.safetensors" in held
