"""The only place that knows which kinds of storage there are."""

from __future__ import annotations

from pathlib import Path

from configs.locations import S3
from configs.settings import Settings
from tasks.storage.base import Storage


def open_storage(location: Path | str, settings: Settings) -> Storage:
    """The storage at a location.

    Args:
        location: A folder, or ``s3://bucket/prefix``.
        settings: How S3 is reached.
    """
    if isinstance(location, str) and location.startswith(S3):
        from tasks.storage.s3 import S3Storage

        return S3Storage(location, settings)
    from tasks.storage.local import LocalStorage

    return LocalStorage(Path(location))
