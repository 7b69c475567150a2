"""Objects in memory: the fake for tests."""

from __future__ import annotations

from pathlib import Path

from tasks.storage.base import checked, missing


class MemoryObjects:
    """Objects in memory: the fake for tests."""

    def __init__(self, root: str = "memory://objects") -> None:
        self.root = root
        self.content: dict[str, bytes] = {}

    def put(self, key: str, source: Path) -> None:
        """Store a file's content."""
        self.content[checked(key)] = source.read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Store ``content`` under ``key``, replacing what is there."""
        self.content[checked(key)] = content

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

    def size(self, key: str) -> int | None:
        """Bytes of ``key``, or None."""
        content = self.content.get(checked(key))
        return None if content is None else len(content)

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        base = checked(prefix).rstrip("/") + "/"
        return sorted(k for k in self.content if k.startswith(base))

    def delete(self, prefix: str) -> None:
        """Delete ``prefix`` and everything below it."""
        for key in [*self.keys(prefix), checked(prefix)]:
            self.content.pop(key, None)
