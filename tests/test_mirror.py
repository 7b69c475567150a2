"""A test lies where its subject lies: ``tests/a/b/test_c.py`` tests ``a/b/c.py``."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.source import texts

ROOT = Path(__file__).parents[1]
SOURCES = ("configs", "deployments", "flows", "tasks", "tsr")

WHOLES = {
    "deployments/api": "access client comparisons markup outputs refusals server",
    "deployments": "closed configuration end_to_end endurance fuzz_api kills kubernetes load "
    "many_machines migration recovery s3_keys",
    "flows/cli": "manners stopped",
    "tasks/report": "browser comparison_browser style viewer",
    "tasks/storage": "contract",
    "tasks/synthetic/tyres": "geometry",
    "tsr": "golden",
}
"""What is tested of a package as a whole, or of several modules of it: names of no module."""

MOST_LINES = 80
"""Lines of code, without documentation: a module of no more may be tested by those that use it."""

PARTS = {
    "deployments/api/test_access": "deployments/api: app prefect_runs",
    "flows/cli/test_main": "flows/cli: commands",
    "flows/cli/test_warm_start": "flows/cli: warm_process",
    "flows/support/test_clocks": "flows/support: worker",
    "flows/test_history": "flows/cli: history_command",
    "flows/test_train": "tasks/training/fusion: subjects",
    "tasks/comparison/test_compare": "tasks/comparison: deviation; "
    "tasks/report: comparison_content comparison_page",
    "tasks/poses/test_sfm": "tasks/poses: film",
    "tasks/stages/test_stage": "tasks/stages: compare_scans",
    "tasks/synthetic/scenes/test_captures": "tasks/synthetic/scenes: capture_film film_set layouts "
    "props solids surroundings textures",
    "tasks/synthetic/scenes/test_scene": "tasks/synthetic/scenes: background environments lighting "
    "motion raycast",
    "tasks/synthetic/scenes/test_video": "tasks/synthetic/tyres: imported_wheels",
    "tasks/synthetic/tyres/test_damage": "tasks/synthetic/tyres: rubber",
    "tasks/synthetic/tyres/test_geometry": "tasks/synthetic/tyres: looks material patterns profile "
    "rim sampling shapes spec tyre",
    "tasks/synthetic/tyres/test_pairs": "tasks/synthetic/tyres: pair_truth",
    "tasks/training/segmentation/test_trainer": "tasks/training/segmentation: batches",
}
"""Larger modules without a test at their place, by the test of the whole that they are parts of."""


def test_every_test_has_its_subject_at_the_same_place() -> None:
    lost = set()
    for source in SOURCES:
        for test in (ROOT / "tests" / source).rglob("test_*.py"):
            package = test.parent.relative_to(ROOT / "tests")
            name = test.stem.removeprefix("test_")
            if not (ROOT / package / f"{name}.py").is_file():
                lost.add((str(package), name))
    assert lost == {(package, name) for package, names in WHOLES.items() for name in names.split()}


def test_every_folder_of_tests_is_one_of_the_source() -> None:
    folders = {
        test.parent.relative_to(ROOT / "tests")
        for source in SOURCES
        for test in (ROOT / "tests" / source).rglob("test_*.py")
    }
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []


_DOCUMENTATION = re.compile(r'"""(?s:.*?)"""|^\s*#.*$', re.MULTILINE)
_IMPORTED = re.compile(
    r"^\s*(?:from ([\w.]+) import (\([^)]*\)|[^\n#]+)|import ([\w.]+))", re.MULTILINE
)


def lines_of_code(text: str) -> int:
    """Lines that are no documentation and not blank."""
    without = _DOCUMENTATION.sub("", text)
    return sum(1 for line in without.splitlines() if line.strip())


def imported(text: str) -> set[str]:
    """Paths of what a module imports, as far as it may be one of ours; names in them, too."""
    found = set()
    for package, names, module in _IMPORTED.findall(text):
        found.add((module or package).replace(".", "/"))
        for name in names.strip("()").split(","):
            found.add(f"{package}.{name.split(' as ')[0].strip()}".replace(".", "/"))
    return found


def parts_of(listed: str) -> list[str]:
    """Paths of the modules of packages, as ``PARTS`` lists them."""
    packages = [package.partition(":") for package in listed.split(";")]
    return [f"{path.strip()}/{name}" for path, _, names in packages for name in names.split()]


def test_a_larger_module_is_tested_at_its_place_or_is_listed_as_a_part() -> None:
    larger = [
        path.removesuffix(".py")
        for path, text in texts().items()
        if lines_of_code(text) > MOST_LINES
        and not (ROOT / "tests" / path).with_name(f"test_{Path(path).name}").is_file()
    ]
    assert larger == sorted(part for listed in PARTS.values() for part in parts_of(listed))


def test_a_part_is_imported_by_the_test_that_is_named_or_two_modules_away() -> None:
    sources = {path.removesuffix(".py"): imported(text) for path, text in texts().items()}
    for test, listed in PARTS.items():
        near = imported((ROOT / "tests" / f"{test}.py").read_text())
        for helper in [ROOT / f"{name}.py" for name in near if name.startswith("tests/")]:
            near |= imported(helper.read_text()) if helper.is_file() else set()
        for _ in range(2):
            near = near.union(*(sources.get(name, set()) for name in near))
        assert set(parts_of(listed)) - near == set(), test
