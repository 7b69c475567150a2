"""The only place that knows which kinds of storage there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from configs.locations import is_address, split_address
from configs.settings import Settings
from tasks.core.errors import StorageError
from tasks.storage.base import Storage


def _s3(address: str, settings: Settings) -> Storage:
    from tasks.storage.s3 import S3Storage

    return S3Storage(address, settings)


MAKERS: dict[str, Callable[[str, Settings], Storage]] = {"s3": _s3}
"""What makes the storage at an address, by scheme."""


def open_storage(location: Path | str, settings: Settings) -> Storage:
    """The storage at a location.

    Args:
        location: A folder, or ``s3://bucket/prefix``.
        settings: How S3 is reached.

    Raises:
        StorageError: ``storage-address`` if it is an address of no known kind.
    """
    scheme = scheme_of(location)
    if scheme is not None:
        return MAKERS[scheme](str(location), settings)
    from tasks.storage.local import LocalStorage

    return LocalStorage(Path(location))


def scheme_of(location: Path | str) -> str | None:
    """The scheme of an address; None for a folder.

    Args:
        location: As of :func:`open_storage`.

    Raises:
        StorageError: ``storage-address``, likewise.
    """
    if not isinstance(location, str) or not is_address(location):
        return None
    try:
        scheme, _, _ = split_address(location)
    except ValueError as exc:
        raise StorageError(
            "storage-address",
            stage="storage",
            what=f"{location} cannot be used: {exc}",
            advice="Mend the address (TYRE3D_STORAGE, inputs or outputs)",
        ) from exc
    return scheme
