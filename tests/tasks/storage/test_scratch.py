"""Working folders: those of living processes are left, whatever the clock says; others go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.storage.scratch import sweep, working_folder

ROOT = Path(__file__).parents[3]
WORK = """
import sys
from pathlib import Path
from tasks.storage.scratch import working_folder
with working_folder(Path(sys.argv[1]), "merge") as folder:
    (folder / "half").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_goes_with_its_work(tmp_path: Path) -> None:
    with working_folder(tmp_path, "extract") as folder:
        (folder / "file").touch()
        assert folder.name.startswith("extract-")
        assert sweep(tmp_path, keep="read_cache", now=1e12) == 0
        assert (folder / "file").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert sweep(tmp_path, keep="read_cache", now=1e12) == 0  # it lives, years later
        assert (folder / "half").exists()
        process.kill()
    assert sweep(tmp_path, keep="read_cache") == 1
    assert list(tmp_path.iterdir()) == []


def test_folders_without_a_lock_go_when_they_are_old(tmp_path: Path) -> None:
    for name in ("extract-old", "extract-new", "read_cache"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    os.utime(tmp_path / "extract-old", (1000, 1000))
    os.utime(tmp_path / "read_cache", (1000, 1000))
    assert sweep(tmp_path, keep="read_cache") == 1
    assert sweep(tmp_path / "none", keep="read_cache") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["extract-new", "read_cache"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def work() -> None:
        with working_folder(tmp_path, "extract"):
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        work()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_one_purpose_go_and_no_other_file_beside_them(tmp_path: Path) -> None:
    """Weights are fetched beside weights."""
    for name in (".fetch-left", "u2netp"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000, 1000))
    assert sweep(tmp_path, purpose=".fetch") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["u2netp"]
