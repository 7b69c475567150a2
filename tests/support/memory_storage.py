"""Storage in memory: the fake for tests."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from tasks.storage.base import Stored, checked, missing


class MemoryStorage:
    """Storage in memory: the fake for tests."""

    def __init__(self, root: str = "memory://objects") -> None:
        self.root = root
        self.content: dict[str, bytes] = {}
        self._locked: set[str] = set()
        self.used_at: dict[str, float] = {}
        self.touched: list[str] = []
        self.in_use_now: set[str] = set()

    def put(self, key: str, source: Path) -> None:
        """Store a file's content."""
        self.content[checked(key)] = source.read_bytes()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store contents by key, replacing what is there."""
        self.content.update({checked(key): content for key, content in files.items()})

    def put_new(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless ``key`` exists."""
        key = checked(key)
        stored = self.content.setdefault(key, content)
        return stored is content

    def get(self, key: str) -> bytes | None:
        """The content of ``key``, or None."""
        return self.content.get(checked(key))

    def local(self, key: str, folder: Path) -> Path:
        """A copy in ``folder``."""
        content = self.content.get(checked(key))
        if content is None:
            raise missing(self.root, key)
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    def local_tree(self, key: str, folder: Path, suffixes: Collection[str]) -> Path:
        """A copy of the object, or of those right below the prefix with one of the suffixes."""
        if checked(key) in self.content:
            return self.local(key, folder)
        for below in map(PurePosixPath, self.keys(key)):
            if str(below.parent) == checked(key) and below.suffix.lower() in suffixes:
                self.local(str(below), folder)
        return folder / key

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        content = self.content.get(checked(key))
        return None if content is None else len(content)

    def mark(self, key: str) -> str | None:
        """The sha256 of ``key``, or None."""
        content = self.content.get(checked(key))
        return None if content is None else hashlib.sha256(content).hexdigest()

    def web_address(self, key: str, content_type: str) -> str | None:
        """None: no browser reaches it."""
        checked(key)
        return None

    def upload_address(self, key: str, size: int, seconds: int) -> str | None:
        """None: nobody else reaches it."""
        checked(key)
        return None

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        base = checked(prefix).rstrip("/") + "/"
        return sorted(k for k in self.content if k.startswith(base))

    def listing(self, prefix: str) -> list[Stored]:
        """All objects below ``prefix``; their times are those in ``used_at``."""
        return [
            Stored(key, len(self.content[key]), self.used_at.get(key, 0.0))
            for key in self.keys(prefix)
        ]

    def touch(self, key: str) -> None:
        """Note that ``key`` is in use."""
        self.touched.append(key)

    def in_use(self, key: str) -> bool:
        """Whether a test says so."""
        return checked(key) in self.in_use_now

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        for key in [*self.keys(prefix), checked(prefix)]:
            self.content.pop(key, None)

    def check_writable(self, key: str) -> None:
        """All good keys are."""
        checked(key)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Lock for this process."""
        free = name not in self._locked
        self._locked.add(name)
        try:
            yield free
        finally:
            if free:
                self._locked.discard(name)

    def abort_uploads(self, before: float) -> int:
        """There are none."""
        return 0

    def remove_parts(self, *, dry_run: bool = False) -> int:
        """There are none."""
        return 0

    def working_folder(self, default: Path) -> Path:
        """The default."""
        return default
