"""Deleting old artifacts, as a flow: `make deploy` schedules it every night."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from prefect import flow, get_run_logger

from flows.support.settings import load_settings
from tasks.core.phrasing import counted
from tasks.storage.artifacts import open_store
from tasks.storage.prune import prune as prune_store


@flow(name="prune", flow_run_name="prune", log_prints=False)
def prune(older_than_days: float = 30.0, keep_gb: float = 200.0) -> dict[str, Any]:
    """Delete artifacts that were not used for long; results are never touched.

    Args:
        older_than_days: Days without use after which an artifact goes.
        keep_gb: Gigabytes of artifacts above which the least recently used go, too.

    Returns:
        How many artifacts, bytes and half-written files went, and how many are left.
    """
    pruned = prune_store(
        open_store(load_settings()),
        time.time(),
        older_than_s=older_than_days * 86400.0,
        keep_size=keep_gb * 1e9,
    )
    log = get_run_logger()
    log.info(
        "%s deleted (%.1f MB), %d kept (%.1f MB); %s that killed processes left",
        counted(pruned.artifacts, "artifact"),
        pruned.size / 1e6,
        pruned.kept,
        pruned.kept_size / 1e6,
        counted(pruned.parts, "file"),
    )
    for remark in pruned.remarks:
        log.warning("%s", remark)
    return asdict(pruned)
