"""Old artifacts go: they can be made again, and nothing else would ever delete them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from tasks.storage.artifacts import MANIFEST, ArtifactStore
from tasks.storage.base import Stored

IN_USE_S = 3 * 3600.0
"""An artifact that was used less than this long ago may be that of a running run."""
_DEPTH = 4
"""Parts of the key of a manifest: ``cas/<stage>/<key>/manifest.json``."""


@dataclass(frozen=True)
class _Found:
    stage: str
    key: str
    size: int
    used_at: float


@dataclass(frozen=True)
class Pruned:
    """What was deleted, or would be.

    Args:
        artifacts: How many artifacts.
        size: Their bytes.
        kept: Artifacts that are left.
        kept_size: Their bytes.
        parts: Files that killed processes left half-written.
    """

    artifacts: int
    size: int
    kept: int
    kept_size: int
    parts: int = 0


def prune(
    store: ArtifactStore,
    now: float,
    *,
    older_than_s: float = math.inf,
    keep_size: float = math.inf,
    dry_run: bool = False,
) -> Pruned:
    """Delete artifacts that were not used for long, the least recently used first, and half files.

    One that may be in use is never deleted, so that more than ``keep_size`` may be left. A run
    that looks for an artifact which goes at that moment makes it again.

    Args:
        store: The artifacts.
        now: The time, in seconds since the epoch.
        older_than_s: Seconds without use after which an artifact goes.
        keep_size: Bytes of all artifacts above which the least recently used go, too.
        dry_run: Whether to delete nothing.
    """
    found = sorted(_found(store.stored()), key=lambda each: (each.used_at, each.stage, each.key))
    total = left = sum(each.size for each in found)
    going: list[_Found] = []
    for each in found:
        unused_s = now - each.used_at
        if unused_s >= IN_USE_S and (unused_s > older_than_s or left > keep_size):
            going.append(each)
            left -= each.size
    if not dry_run:
        for each in going:
            store.discard(each.stage, each.key)
    parts = store.remove_parts(dry_run=dry_run)
    return Pruned(len(going), total - left, len(found) - len(going), left, parts)


def _found(objects: list[Stored]) -> list[_Found]:
    """The artifacts that objects belong to; one without a manifest was never finished."""
    groups: dict[tuple[str, str], list[Stored]] = defaultdict(list)
    for each in objects:
        parts = each.key.split("/")
        if len(parts) >= _DEPTH:
            groups[parts[1], parts[2]].append(each)
    return [
        _Found(stage, key, sum(o.size for o in group), _used_at(group))
        for (stage, key), group in groups.items()
    ]


def _used_at(group: list[Stored]) -> float:
    manifests = [o.used_at for o in group if o.key.endswith(f"/{MANIFEST}")]
    return max(manifests or [o.used_at for o in group])
