"""A test lies where its subject lies: ``tests/a/b/test_c.py`` tests ``a/b/c.py``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("configs", "deployments", "flows", "tasks", "tsr")

WHOLES = {
    "deployments/api": "access client comparisons markup outputs refusals server",
    "deployments": "closed configuration end_to_end endurance fuzz_api kills kubernetes load "
    "many_machines migration recovery s3_keys",
    "flows/cli": "manners stopped",
    "tasks/poses": "steady_motion",
    "tasks/report": "browser comparison_browser style viewer",
    "tasks/storage": "contract",
    "tasks/synthetic/tyres": "geometry",
    "tsr": "golden",
}
"""What is tested of a package as a whole, or of several modules of it: names of no module."""


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
