"""Files that are not complete: what a killed process left goes, what is being written stays."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.storage import partial_files
from tasks.storage.artifacts import ArtifactStore
from tasks.storage.local import LocalStorage
from tasks.storage.partial_files import LEFT_S, make_folder, part_of, remove_parts
from tasks.storage.prune import prune

ROOT = Path(__file__).parents[3]
WRITE = """
import os, sys
from pathlib import Path

from tasks.storage.local import LocalStorage

how, folder = sys.argv[1], Path(sys.argv[2])
link = os.link

def stop(*_):
    print("between writing and renaming", flush=True)
    sys.stdin.read()

def copies(*_):
    raise OSError("no hard links here")

os.replace = stop
os.link = {"put": link, "copy": copies}.get(how, stop)
storage = LocalStorage(folder)
if how == "write":
    storage.write({"cas/s/k/a": b"content"})
elif how == "put_new":
    storage.put_new("cas/s/k/a", b"content")
else:
    storage.put("cas/s/k/a", folder.parent / "source")
"""
HOW = ("write", "put_new", "put", "copy")
LOCKED = ("write", "put_new")


@contextmanager
def killed_between(how: str, folder: Path) -> Iterator[None]:
    """A process that writes and is killed, for real, before it renames; within: it still lives."""
    (folder.parent / "source").write_bytes(b"content")
    command = [sys.executable, "-c", WRITE, how, str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("between")
        yield
        process.kill()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b")
    make_folder(tmp_path / "a/b")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for name, said in {
        "file": "file is no folder",
        "file/a/b": "file is no folder",
        "link/a": f"link is a link to {tmp_path / 'gone'}, which is not there",
    }.items():
        with pytest.raises(NotADirectoryError, match=said) as caught:
            make_folder(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder with nothing of others beside it."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes it two hours later."""
    now = time.time() + 2 * LEFT_S
    return lambda: monkeypatch.setattr(partial_files.time, "time", lambda: now)


@pytest.mark.parametrize("how", HOW)
def test_what_a_killed_process_left_goes_and_not_before(
    how: str, root: Path, later: Callable[[], None]
) -> None:
    storage = LocalStorage(root)
    with killed_between(how, root):
        (part,) = files_below(root)
        assert storage.keys("cas") == []
        assert storage.remove_parts() == 0
        if how in LOCKED:  # it lives, years later
            assert remove_parts([part], now=1e12) == 0
    assert storage.remove_parts() == 0  # another may have made it a moment ago
    later()
    assert storage.remove_parts(dry_run=True) == 1
    assert part.exists()
    assert storage.remove_parts() == 1
    assert files_below(root) == []


@pytest.mark.parametrize("how", HOW)
def test_the_next_who_writes_beside_it_removes_it(
    how: str, root: Path, later: Callable[[], None]
) -> None:
    with killed_between(how, root):
        pass
    later()
    LocalStorage(root).write({"cas/s/k/b": b"content"})
    assert [path.name for path in files_below(root)] == ["b"]


def test_pruning_removes_it(root: Path, later: Callable[[], None]) -> None:
    with killed_between("write", root):
        pass
    store = ArtifactStore(LocalStorage(root), root / "scratch")
    assert prune(store, time.time(), older_than_s=math.inf).parts == 0
    later()
    assert prune(store, time.time(), older_than_s=math.inf, dry_run=True).parts == 1
    assert prune(store, time.time(), older_than_s=math.inf).parts == 1
    assert files_below(root) == []


def test_files_of_others_stay(tmp_path: Path) -> None:
    names = ("film.mp4.part", ".film.part", "a.glb", ".batch.json.lock", f"{'a' * 32}.part")
    for name in names:
        (tmp_path / name).touch()
    assert remove_parts(tmp_path.iterdir(), now=1e12) == 0
    (tmp_path / f".{'a' * 32}.part").touch()
    (tmp_path / f".tyre.glb.{'b' * 32}.part").touch()  # as earlier releases called them
    assert remove_parts(tmp_path.iterdir(), now=1e12) == 2
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_clock_that_was_set_back_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / f".{'a' * 32}.part").touch()
    for now in (0.0, time.time() - 3600.0):
        assert remove_parts(tmp_path.iterdir(), now=now) == 0


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with part_of(tmp_path / "new" / "file") as part:
            part.write_bytes(b"half")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        write()
    assert files_below(tmp_path) == []
