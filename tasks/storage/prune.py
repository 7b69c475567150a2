"""Old artifacts go: they can be made again, and nothing else would ever delete them.

Clocks are wrong now and then, by years, and by a wrong one everything looks old. Ages are therefore
believed only as far as they can be, and on a disk it is a lock, and no clock, that tells what a
running job uses.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from tasks.core.phrasing import counted
from tasks.storage.artifacts import MANIFEST, ArtifactStore
from tasks.storage.base import Stored

IN_USE_S = 3 * 3600.0
"""An artifact that was used less than this long ago may be that of a running run."""
BEGAN_AT = 1767225600.0
"""2026-01-01, in seconds since the epoch: there were no artifacts before."""
_AHEAD_S = 24 * 3600.0
"""Clocks of machines that share a store, and their time zones, differ by less."""
_QUIET_S = 7 * 24 * 3600.0
"""Nothing at all was used for so long: the clock may be wrong. If not, nothing fills the disk."""
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
        in_use: Artifacts that would have gone and that a running job uses.
        impossible: Artifacts, kept, last used at a time that cannot be.
        quiet_s: Seconds in which nothing at all was used, where therefore nothing went; else 0.
    """

    artifacts: int
    size: int
    kept: int
    kept_size: int
    parts: int = 0
    in_use: int = 0
    impossible: int = 0
    quiet_s: float = 0.0

    @property
    def remarks(self) -> list[str]:
        """Sentences on what an operator should look at."""
        sentences = []
        if self.quiet_s:
            days = counted(round(self.quiet_s / 86400.0), "day")
            sentences.append(
                f"By this machine's clock nothing was used for {days}, so that nothing goes: "
                "if the clock is right, tyre3d prune --force"
            )
        if self.impossible:
            were = counted(self.impossible, "artifact was", "artifacts were")
            sentences.append(
                f"{were} last used at a time that cannot be, and kept: a clock is or was wrong. "
                "If this one is right, tyre3d prune --force takes them for old"
            )
        if self.in_use:
            are = counted(self.in_use, "artifact is", "artifacts are")
            sentences.append(f"{are} old and in use, and kept")
        return sentences


def prune(
    store: ArtifactStore,
    now: float,
    *,
    older_than_s: float = math.inf,
    keep_size: float = math.inf,
    dry_run: bool = False,
    force: bool = False,
) -> Pruned:
    """Delete artifacts that were not used for long, the least recently used first, and half files.

    One that may be in use is never deleted, so that more than ``keep_size`` may be left. A run
    that looks for an artifact which goes at that moment makes it again. What was last used at a
    time that cannot be stays, and where nothing was used for a week all does.

    Args:
        store: The artifacts.
        now: The time, in seconds since the epoch.
        older_than_s: Seconds without use after which an artifact goes.
        keep_size: Bytes of all artifacts above which the least recently used go, too.
        dry_run: Whether to delete nothing.
        force: Whether to believe the clock in any case, and to take a time that cannot be for none:
            what has it counts as unused for ever.
    """
    found = _found(store.stored())
    total = left = sum(each.size for each in found)
    unused_s = {each: now - each.used_at for each in found if _can_be(each.used_at, now)}
    impossible = [each for each in found if each not in unused_s]
    quiet_s = min(unused_s.values(), default=0.0)
    if force:
        unused_s |= dict.fromkeys(impossible, math.inf)
    doubted = quiet_s > _QUIET_S and not force
    going: list[_Found] = []
    in_use = 0
    for each in sorted(unused_s, key=lambda each: (-unused_s[each], each.stage, each.key)):
        goes = unused_s[each] > older_than_s or left > keep_size
        if doubted or unused_s[each] < IN_USE_S or not goes:
            continue
        if store.in_use(each.stage, each.key):
            in_use += 1
            continue
        going.append(each)
        left -= each.size
    if not dry_run:
        for each in going:
            store.discard(each.stage, each.key)
    return Pruned(
        artifacts=len(going),
        size=total - left,
        kept=len(found) - len(going),
        kept_size=left,
        parts=store.remove_parts(dry_run=dry_run),
        in_use=in_use,
        impossible=0 if force else len(impossible),
        quiet_s=quiet_s if doubted else 0.0,
    )


def _can_be(used_at: float, now: float) -> bool:
    """Whether something can have been used at that time."""
    return BEGAN_AT <= used_at <= now + _AHEAD_S


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
