"""What the documents name is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
DOCUMENTS = sorted(LISTED.stdout.split()) or ["README.md"]
FOLDERS = "bench|configs|deployments|docs|flows|tasks|tests|tsr"
EXAMPLES = {"tasks/mesh/smoothing.py", "tasks/stages/smooth_mesh.py"}
"""Files that a reader of docs/contributing.md would add."""


def named(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_a_document_names_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    paths = named(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./-]*\w)", text)
    lost = {p for p in paths - EXAMPLES if not (ROOT / p).exists()}
    assert lost == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = named(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert {t for t in targets if not ((ROOT / document).parent / t).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_modules_and_targets_that_a_document_runs_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for module in named(r"python -m ((?:bench|deployments|flows|tasks)[\w.]*)", text):
        assert importlib.util.find_spec(module) is not None, module
    targets = named(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text())
    assert named(r"`make ([a-z0-9-]+)", text) <= targets


def test_the_stages_are_in_the_table() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    machinery = {"__init__.py", "stage.py", "code_version.py"}
    for path in (ROOT / "tasks/stages").glob("*.py"):
        assert path.name in machinery or f"| `{path.name}` |" in text, path.name
