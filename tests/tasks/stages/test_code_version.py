"""The code version of a stage changes with every module that its result depends on."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.stages import code_version as module_of_versions
from tasks.stages.code_version import (
    INFRASTRUCTURE,
    PACKAGES,
    ROOT,
    code_version,
    dependencies,
    libraries,
    source_imports,
)
from tasks.stages.compare_scans import COMPARE
from tests.tasks.stages.pipeline import PIPELINE

STAGES = {stage.name.value: stage.produce.__module__ for stage in (*PIPELINE, COMPARE)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("*.pyc"))
    return root


def versions(root: Path) -> dict[str, str]:
    code_version.cache_clear()
    return {stage: code_version(module, root) for stage, module in STAGES.items()}


def changed_stages(tree: Path, module: str) -> set[str]:
    """The stages whose version changes when a module of a copy of the source is edited."""
    before = versions(tree)
    path = tree.joinpath(*module.split(".")).with_suffix(".py")
    source = path.read_bytes()
    try:
        path.write_bytes(source + b"\nEDITED = True\n")
        after = versions(tree)
    finally:
        path.write_bytes(source)
    return {stage for stage in STAGES if before[stage] != after[stage]}


MATTING = {"inspect", "remove-backgrounds"}
POSED = {"estimate-poses", "rectify", "select", "infer", "merge", "judge", "atlas", "report"}
VIDEO = {"extract", *MATTING, *POSED}


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("tsr.network.attention", {"infer", "merge"}),
        ("tsr.weights", {"infer", "merge"}),
        ("tsr.state_dict", {*MATTING, "estimate-poses", "infer", "merge"}),
        ("tsr.precision", {*MATTING, "infer", "merge"}),
        ("tasks.imaging.images", {*VIDEO, "export", "compare"}),
        ("tasks.video.decode", {"extract"}),
        ("tasks.video.frames", {*VIDEO, "compare"}),
        ("tasks.matting.u2net", MATTING),
        ("tasks.poses.record", {*POSED, "compare"}),
        ("tasks.poses.sfm", {"estimate-poses"}),
        ("tasks.poses.fit_solid", {"estimate-poses", "rectify", "judge"}),
        ("tasks.rectification.rectify", {"rectify"}),
        ("tasks.fusion.decision.network", {"merge"}),
        ("tasks.atlas.charts", {"atlas", "export", "report", "compare"}),
        ("tasks.atlas.bake", {"atlas"}),
        ("tasks.imaging.exposure", {"merge", "atlas"}),
        ("tasks.mesh.preview", {"export", "report", "compare"}),
        ("tasks.report.content", {"report", "compare"}),
        ("tasks.report.page", set()),
        ("tasks.comparison.align", {"compare"}),
        ("tasks.core.repeatable", {*STAGES}),
        ("tasks.core.progress", set()),
        ("tasks.synthetic.tyres.rim", set()),
    ],
)
def test_an_edit_changes_the_stages_that_depend_on_it(
    tree: Path, module: str, stages: set[str]
) -> None:
    assert changed_stages(tree, module) == stages


@pytest.mark.parametrize(
    ("library", "stages"),
    [
        ("av", {"extract"}),
        ("pycolmap", {"estimate-poses"}),
        ("onnxruntime", MATTING),
        ("opencv-python-headless", {*STAGES}),
        ("torch", {*MATTING, "estimate-poses", "infer", "merge"}),
        ("prefect", set()),
    ],
)
def test_another_release_of_a_library_changes_the_stages_that_use_it(
    monkeypatch: pytest.MonkeyPatch, library: str, stages: set[str]
) -> None:
    before = versions(ROOT)
    release_of = metadata.version
    monkeypatch.setattr(
        module_of_versions.metadata,
        "version",
        lambda name: f"{release_of(name)}{'.post1' if name == library else ''}",
    )
    module_of_versions._installed.cache_clear()
    after = versions(ROOT)
    monkeypatch.undo()
    module_of_versions._installed.cache_clear()
    code_version.cache_clear()
    assert {stage for stage in STAGES if before[stage] != after[stage]} == stages


def test_every_library_is_found_under_the_name_that_it_was_installed_by() -> None:
    installed = metadata.packages_distributions()
    for stage, module in STAGES.items():
        for library, version in libraries(module).items():
            names = installed.get(library, [])
            assert version in {metadata.version(name) for name in names}, (stage, library)


_LOADED = """if True:
    import importlib, json, os, sys
    import cv2, prefect.main, scipy, torch, trimesh  # once: what follows loads our own modules
    for stage, module in json.loads(sys.argv[1]).items():
        sys.stdout.flush()
        if os.fork() == 0:
            importlib.import_module(module)
            print(json.dumps([stage, list(sys.modules)]), flush=True)
            os._exit(0)
        assert os.wait()[1] == 0, stage
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Our modules that the interpreter loads for each stage."""
    told = subprocess.run(
        [sys.executable, "-c", _LOADED, json.dumps(STAGES)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {
        stage: {m for m in modules if m.split(".")[0] in PACKAGES}
        for stage, modules in map(json.loads, told.stdout.splitlines())
    }


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_every_module_that_is_loaded_counts_or_is_infrastructure(
    stage: str, loaded: dict[str, set[str]]
) -> None:
    """What the interpreter loads for a stage is no more than what was read from the source."""
    files = {m: (ROOT / Path(*m.split("."))).with_suffix(".py") for m in loaded[stage]}
    sources = {m for m, file in files.items() if file.is_file()}
    assert STAGES[stage] in sources
    unknown = {
        m
        for m in sources - set(dependencies(STAGES[stage]))
        if not any(m == i or m.startswith(f"{i}.") for i in INFRASTRUCTURE)
    }
    assert unknown == set()


def test_infrastructure_exists() -> None:
    for name in INFRASTRUCTURE:
        path = ROOT.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


@pytest.mark.parametrize("name", ["stages", "comparison"])
def test_parameters_hold_no_logic(name: str) -> None:
    """Of a stage's parameters the values are part of its key, but no line of their classes."""
    classes = [n for n in ast.parse((ROOT / f"configs/{name}.py").read_bytes()).body]
    methods = [
        (each.name, method)
        for each in classes
        if isinstance(each, ast.ClassDef)
        for method in each.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [
        f"{owner}.{method.name}"
        for owner, method in methods
        if not any("validator" in ast.unparse(d) for d in method.decorator_list)
    ] == []


def test_imports_for_type_checking_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/a.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import tasks.b\n"
        "def f():\n    from tasks.c import g\n    return g\n"
    )
    (tmp_path / "tasks/b.py").write_text("")
    (tmp_path / "tasks/c.py").write_text("from tasks import d\n")
    (tmp_path / "tasks/d.py").write_text("")
    assert set(dependencies("tasks.a", tmp_path)) == {"tasks.a", "tasks.c", "tasks.d"}


def test_modules_of_one_name_in_two_packages_are_told_apart(tmp_path: Path) -> None:
    for first, second in (("x", "y"), ("y", "x")):
        root = tmp_path / first
        for package in ("p", "q"):
            (root / "tasks" / package).mkdir(parents=True)
        (root / "tasks/p/merge.py").write_text(f"NAME = '{first}'\n")
        (root / "tasks/q/merge.py").write_text(f"NAME = '{second}'\n")
        (root / "tasks/a.py").write_text("import tasks.p.merge\nimport tasks.q.merge\n")
    assert code_version("tasks.a", tmp_path / "x") != code_version("tasks.a", tmp_path / "y")


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no source"):
        code_version("tasks.nothing")


def test_a_tree_that_another_thread_disturbed_is_parsed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a run whose two threads parsed at once: CPython 3.11's depths did not match."""
    path = tmp_path / "module.py"
    path.write_text("import json\n")
    disturbed = iter([True, True, False])

    def disturbed_twice(source: bytes) -> ast.AST:
        if next(disturbed):
            raise SystemError("AST constructor recursion depth mismatch (before=51, after=95)")
        return ast.parse(source)

    monkeypatch.setattr(
        module_of_versions, "ast", SimpleNamespace(**{**vars(ast), "parse": disturbed_twice})
    )
    assert source_imports(path) == ("json",)


def test_a_fault_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.py"
    path.write_text("import json\n")

    def disturbed(source: bytes) -> ast.AST:
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(
        module_of_versions, "ast", SimpleNamespace(**{**vars(ast), "parse": disturbed})
    )
    with pytest.raises(SystemError, match="depth mismatch"):
        source_imports(path)
