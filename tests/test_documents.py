"""What the documents name is there."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import trimesh

from configs.parameters import all_names, variable_of
from configs.settings import Settings
from deployments.api.settings import ApiSettings
from flows.cli.parser import build_parser
from tasks.geometry.similarity import Similarity
from tasks.mesh.merged import MergedMesh, load_mesh, mesh_record, save_mesh
from tasks.stages.stage import Workspace
from tasks.storage.artifacts import ArtifactStore
from tests.support.memory_storage import MemoryStorage

ROOT = Path(__file__).parents[1]
LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
DOCUMENTS = sorted(LISTED.stdout.split()) or ["README.md"]
SOURCE = ("bench", "configs", "deployments", "docs", "flows", "tasks", "tests", "tsr", "viewer")
FOLDERS = "|".join(SOURCE)
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
    assert named(r"(?:`|^)make\s([a-z0-9-]+)", text) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_modules_that_a_document_names_without_their_folder_exist(document: str) -> None:
    names = named(r"`(\w+\.py)`", (ROOT / document).read_text())
    assert {n for n in names if not any(True for f in SOURCE for _ in (ROOT / f).rglob(n))} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_variables_that_a_document_names_are_settings(document: str) -> None:
    names = named(r"\b(TYRE3D_\w*[A-Z]|TRIPOSR_\w*[A-Z])\b", (ROOT / document).read_text())
    known = {"TRIPOSR_DEVICE"} | {f"TYRE3D_{n.upper()}" for n in Settings.model_fields}
    known |= {variable_of(name) for name in all_names()}
    known |= {f"TYRE3D_API_{n.upper()}" for n in ApiSettings.model_fields}
    tests = "".join(p.read_text() for p in (ROOT / "tests").rglob("*.py"))
    assert {n for n in names - known if f'"{n}"' not in tests} == set()


def commands_of(document: str) -> list[list[str]]:
    """The words of every line of a document's shell blocks that runs ``tyre3d``."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    ours = [line for line in lines if re.match(r"(\S*/)?tyre3d\s", line)]
    return [shlex.split(line, comments=True)[1:] for line in ours]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_a_document_are_taken_as_they_stand(document: str) -> None:
    for words in commands_of(document):
        if ">" in words:
            words = words[: words.index(">")]
        assert build_parser().parse_args(words).command == words[0]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_that_a_document_mentions_and_their_options_exist(document: str) -> None:
    parser = build_parser()
    (known,) = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for text in named(r"`tyre3d ([^`]+)`", (ROOT / document).read_text()):
        command, *words = text.split()
        if command in ("COMMAND", "--help", "--version"):
            continue
        assert command in known, text
        options = {o for sub in all_parsers(known[command]) for o in sub._option_string_actions}
        assert {w.partition("=")[0] for w in words if w.startswith("--")} <= options, text


def all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from all_parsers(sub)


def test_the_tutorial_runs_commands() -> None:
    assert len(commands_of("docs/tutorial.md")) >= 10


def test_every_package_is_in_the_directory_map() -> None:
    text = (ROOT / "README.md").read_text().partition("## Directory map")[2].partition("\n## ")[0]
    mapped = named(r"`(?:tasks/)?(\w+)/`", text)
    packages = {path.parent.name for path in (ROOT / "tasks").glob("*/*.py")}
    assert mapped == {*SOURCE, *packages} - {"tasks"}


def test_the_stages_are_in_the_table() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    machinery = {"__init__.py", "stage.py", "code_version.py"}
    for path in (ROOT / "tasks/stages").glob("*.py"):
        assert path.name in machinery or f"| `{path.name}` |" in text, path.name


def test_a_stage_as_contributors_are_shown_hands_on_what_the_next_one_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = (ROOT / "docs/contributing.md").read_text()
    lines = shown.partition("```python\n")[2].partition("SMOOTH = ")[0]
    work = ModuleType("tasks.mesh.smoothing")
    work.smooth_mesh = lambda mesh, config: mesh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, work.__name__, work)
    made: dict[str, Any] = {}
    exec("from __future__ import annotations\n" + textwrap.dedent(lines), made)
    store, shape = (
        ArtifactStore(MemoryStorage(), tmp_path / "scratch"),
        trimesh.creation.torus(2, 1),
    )
    count = len(shape.vertices)
    mesh = MergedMesh(
        np.asarray(shape.vertices, np.float32),
        np.asarray(shape.faces, np.int32),
        np.zeros((count, 3), np.uint8),
        np.ones(count, np.uint8),
        np.zeros(count, np.float32),
        np.zeros(count, np.bool_),
        warnings=("odd",),
        from_world=Similarity(2.0, np.eye(3), np.arange(3.0)),
    )

    def merged(folder: Path) -> dict[str, Any]:
        save_mesh(folder, mesh)
        return mesh_record(mesh)

    before = store.make("merge", "k", merged)

    def smoothed(folder: Path) -> dict[str, Any]:
        return dict(made["_produce"](Workspace(folder, tmp_path, "cpu", store), None, mesh=before))

    after = load_mesh(store.open(store.make("smooth", "k", smoothed)))
    assert mesh_record(after) == mesh_record(mesh)
    np.testing.assert_array_equal(after.vertices, mesh.vertices)
