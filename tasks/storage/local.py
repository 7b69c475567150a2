"""Storage in a local folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from configs.locations import own_path
from tasks.core.digests import sha256_of
from tasks.storage.base import Stored, checked, storage_errors
from tasks.storage.partial_files import locked_part, part_of, remove_parts

_MAX_LOCKED = 100
"""Files that one store locks at most: a run uses some twenty, a process may open a thousand."""


class LocalStorage:
    """Objects that are files in a local folder; any file system, with hard links or without.

    Args:
        root: The folder; it is made by the first write.
    """

    def __init__(self, root: Path) -> None:
        self._folder = own_path(root).absolute()
        self.root = str(self._folder)
        self._used = _InUse()

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)

    @contextlib.contextmanager
    def _part(self, target: Path) -> Iterator[Path]:
        """A name beside ``target`` to write under; what is left there afterwards is removed."""
        with storage_errors(str(target)), part_of(target) as part:
            yield part

    def put(self, key: str, source: Path) -> None:
        """Store a file's content under ``key``; a file on the same disk is linked, not copied."""
        target = self._path(key)
        with self._part(target) as part:
            try:
                os.link(source, part)
            except OSError:
                with locked_part(part):
                    shutil.copyfile(source, part)
            part.replace(target)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store contents by key; if one cannot be written, none is."""
        with contextlib.ExitStack() as stack:
            written = []
            for key, content in files.items():
                target = self._path(key)
                part = stack.enter_context(locked_part(stack.enter_context(self._part(target))))
                _write_through(part, content)
                written.append((part, target))
            for part, target in written:
                part.replace(target)

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists."""
        target = self._path(key)
        with self._part(target) as name, locked_part(name) as part:
            _write_through(part, content)
            try:
                os.link(part, target)
            except FileExistsError:
                return False
            except OSError:  # no hard links here: exFAT, SMB, FUSE, some mounts of containers
                return _rename_new(part, target)
        return True

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, or None."""
        target = self._path(key)
        with storage_errors(str(target)):
            try:
                return target.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None
            except OSError as exc:
                if exc.errno == errno.ENAMETOOLONG:  # nothing can be called so
                    return None
                raise

    def local(self, key: str, folder: Path) -> Path:
        """The object's own file; ``folder`` is not used."""
        return self._path(key)

    def local_tree(self, key: str, folder: Path, suffixes: Collection[str]) -> Path:
        """The file or folder itself, with all that it holds."""
        return self._path(key)

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        target = self._path(key)
        with storage_errors(str(target)):
            return target.stat().st_size if target.is_file() else None

    def mark(self, key: str) -> str | None:
        """The sha256 of ``key``, or None."""
        target = self._path(key)
        with storage_errors(str(target)):
            return sha256_of(target) if target.is_file() else None

    def web_address(self, key: str, content_type: str) -> str | None:
        """None: no browser reaches it."""
        checked(key)
        return None

    def upload_address(self, key: str, size: int, seconds: int) -> str | None:
        """None: nobody else reaches it."""
        checked(key)
        return None

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted; unfinished writes are not keys."""
        base = self._path(prefix)
        with storage_errors(str(base)):
            return sorted(
                p.relative_to(self._folder).as_posix()
                for p in base.rglob("*")
                if p.is_file() and not p.name.endswith(".part")
            )

    def listing(self, prefix: str) -> list[Stored]:
        """All objects below ``prefix``, by key; a file is used when it is read or written."""
        found = []
        for key in self.keys(prefix):
            with contextlib.suppress(FileNotFoundError):  # another process deletes, too
                status = self._path(key).stat()
                found.append(Stored(key, status.st_size, max(status.st_atime, status.st_mtime)))
        return found

    def touch(self, key: str) -> None:
        """Set the time of last access, which file systems do not keep by themselves.

        Besides, lock the file, which holds whatever a clock says.
        """
        target = self._path(key)
        with contextlib.suppress(OSError):  # a file system without locks
            self._used.hold(target)
        with contextlib.suppress(OSError):  # it may be read-only
            now, made = time.time_ns(), target.stat().st_mtime_ns
            if now >= made:  # else the clock is wrong, and what an earlier use noted is better
                os.utime(target, ns=(now, made))

    def in_use(self, key: str) -> bool:
        """Whether another object holds the lock; False where the file system has none."""
        try:
            with self._path(key).open("rb+") as file:  # some want writers only to lock alone
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        base = self._path(prefix)
        self._used.release(base)  # NFS keeps a file that is open under another name, in its folder
        with storage_errors(str(base)):
            if base.is_file():
                base.unlink(missing_ok=True)
                return
            for path in sorted(base.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            if base.is_dir():
                base.rmdir()

    def check_writable(self, key: str) -> None:
        """Write beside ``key``, and see that no folder has its name."""
        target = self._path(key)
        with self._part(target) as part:
            part.write_bytes(b"tyre3d")
            if target.is_dir():
                raise IsADirectoryError(21, "a folder has this name", str(target))

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Lock the folder for one process of this machine."""
        with (self._folder / f".{checked(name)}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:  # a file system without locks
                pass
            yield True

    def abort_uploads(self, before: float) -> int:
        """There are none."""
        return 0

    def remove_parts(self, *, dry_run: bool = False) -> int:
        """Remove what killed processes left half-written anywhere below the root."""
        with storage_errors(self.root):
            return remove_parts(self._folder.rglob(".*.part"), dry_run=dry_run)

    def working_folder(self, default: Path) -> Path:
        """A folder on this disk, so that what is published is linked, not copied."""
        return self._folder / "scratch"


class _InUse:
    """Locks on the files that were used last; they go with this object, or with the process."""

    def __init__(self) -> None:
        self._locked: dict[Path, int] = {}
        self._changing = threading.Lock()

    def hold(self, path: Path) -> None:
        """Lock a file together with others that use it.

        Raises:
            OSError: It is not there, or the file system has no locks.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with self._changing:
            former = self._locked.pop(path, None)  # of a file that was deleted since, perhaps
            self._locked[path] = descriptor
            if former is not None:
                os.close(former)
            if len(self._locked) > _MAX_LOCKED:
                os.close(self._locked.pop(next(iter(self._locked))))
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # whoever only looks is done at once

    def release(self, base: Path) -> None:
        """Unlock a file, or all below a folder."""
        with self._changing:
            for path in [p for p in self._locked if p.is_relative_to(base)]:
                os.close(self._locked.pop(path))

    def __del__(self) -> None:
        for descriptor in self._locked.values():
            os.close(descriptor)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename_new(part: Path, target: Path) -> bool:
    """Rename ``part`` to ``target`` unless that exists, one process of this machine at a time.

    A lock is no file that a killed process could leave behind. Where the file system has no locks
    either, of two that write at the same moment the last one stays.
    """
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        if target.exists():
            return False
        part.replace(target)
        return True
    finally:
        os.close(folder)
