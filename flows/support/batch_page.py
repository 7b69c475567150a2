"""The page of a batch, written at its end: no batch fails for want of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from tasks.batch.manifest import Entry, Manifest
from tasks.batch.sources import PAGE_NAME
from tasks.report.batch_page import Beside, batch_page
from tasks.storage.results import Results

_log = logging.getLogger("tyre3d.batch")


def write_page(name: str, manifest: Manifest, results: Results) -> None:
    """Write the page beside the manifest.

    Args:
        name: Name of the batch's folder.
        manifest: What became of every tyre.
        results: The folder.
    """
    try:
        entries = manifest.all_entries()
        beside = {entry.name: _beside(entry, results) for entry in entries}
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        page = batch_page(name, entries, beside, made_at)
        results.write({PAGE_NAME: page.encode("utf-8", "backslashreplace")})
    except Exception as exc:  # noqa: BLE001  the manifest is there, whatever becomes of its page
        _log.warning("no page of the batch: %s: %s", type(exc).__name__, exc)


def _beside(entry: Entry, results: Results) -> Beside:
    """What the tyre's metadata add; nothing where they are gone."""
    if entry.state != "completed":
        return Beside()
    try:
        return Beside.of(dict(json.loads(results.read(f"{entry.name}.json") or b"{}")))
    except (ValueError, TypeError, RecursionError):
        return Beside()
