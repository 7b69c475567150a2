"""Copies of remote files that this machine keeps for reading, up to a bound."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

IN_USE_S = 3 * 3600.0
"""A copy used less than this long ago may be open in a running stage; none runs that long."""
_AHEAD_S = 3600.0
"""This machine's clock alone tells when a copy was used; it is corrected now and then."""


class ReadCache:
    """Copies of remote files in a local folder, the least recently used evicted above a bound.

    Processes share the folder. A copy's time of modification is when it was last used.

    Args:
        folder: Where the copies lie, by key.
        bound_bytes: Above this size of all copies together, those out of use are evicted.
    """

    def __init__(self, folder: Path, bound_bytes: float) -> None:
        self.folder = folder
        self._bound_bytes = bound_bytes

    def find(self, key: str, matches: Callable[[Path], bool]) -> Path | None:
        """The copy of ``key``, marked as used, if there is one and it matches.

        Args:
            key: Key of the remote file.
            matches: Whether a file is what it should be.
        """
        copy = self.folder / key
        try:
            os.utime(copy)
            return copy if matches(copy) else None
        except FileNotFoundError:
            return None

    def evict(self, used_before: float | None = None) -> int:
        """Delete copies, the least recently used first, until the rest is within the bound.

        Args:
            used_before: Only copies last used before this time (seconds since the epoch) are out
                of use; unset: :data:`IN_USE_S` ago.

        Returns:
            How many bytes were freed.
        """
        now = time.time()
        limit = now - IN_USE_S if used_before is None else used_before
        copies = []
        for path in self.folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # another process evicts, too
                status = path.stat()
                if path.is_file():
                    if status.st_mtime > now + _AHEAD_S:
                        os.utime(path)  # of a clock that was wrong: from now on it grows old
                    copies.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in copies)
        freed = 0
        for used, size, path in sorted(copies):
            if total - freed <= self._bound_bytes or used >= limit:
                break
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime == used:  # not taken up again since
                    path.unlink()
                    freed += size
        return freed
