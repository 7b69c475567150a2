"""What is particular to a local folder: nothing half-written, file systems without hard links."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import StorageError
from tasks.storage.local import LocalStorage


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with pytest.raises(StorageError):
        storage.put("a/b", tmp_path / "no-such-file")
    assert files_below(tmp_path) == []


def test_of_several_files_none_is_written_if_one_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"not a folder")
    with pytest.raises(StorageError, match="storage-path"):
        LocalStorage(tmp_path).write({"a": b"1", "file/b": b"2"})
    assert files_below(tmp_path) == ["file"]


def test_names_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    storage, name = LocalStorage(tmp_path), "n" * 255
    storage.check_writable(name)
    storage.write({name: b"x"})
    assert storage.get(name) == b"x"


def test_a_folder_in_the_way_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match="storage-path"):
        LocalStorage(tmp_path).check_writable("a")


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links, as exFAT, SMB, FUSE and some mounts of containers."""

    def link(source: Any, target: Any) -> None:
        raise OSError(request.param, os.strerror(request.param), str(source), None, str(target))

    monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("no_links")
def test_without_hard_links_files_are_copied_and_the_first_writer_wins(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    storage = LocalStorage(tmp_path / "root")
    storage.put("a", source)
    assert storage.get("a") == b"content"
    assert storage.put_new("m", b"first")
    assert not storage.put_new("m", b"second")
    assert storage.get("m") == b"first"
    assert files_below(tmp_path / "root") == ["a", "m"]


@pytest.mark.usefixtures("no_links")
def test_without_hard_links_one_of_many_writers_wins(tmp_path: Path) -> None:
    storage, wins = LocalStorage(tmp_path), []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        if storage.put_new("m", b"%d" % number):
            wins.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert storage.get("m") == b"%d" % wins[0]
    assert files_below(tmp_path) == ["m"]


def test_without_locks_a_folder_counts_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    storage = LocalStorage(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refused)
        with storage.lock("batch") as locked:
            assert locked
    with storage.lock("batch") as first, LocalStorage(tmp_path).lock("batch") as second:
        assert (first, second) == (True, False)
