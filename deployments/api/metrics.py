"""Figures of the service for Prometheus: how jobs stand, how long they wait, why they fail."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deployments.api.expected import medians_of, stage_of
from deployments.api.prefect_runs import ACTIVE, PrefectRuns
from tasks.core.failures import failure_of_state

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DAY = timedelta(days=1)
_WAITING = ("SCHEDULED", "PENDING")
_TASKS_ENDED = ("Completed", "Cached", "Failed", "Crashed")
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


async def metrics(
    runs: PrefectRuns, places: Mapping[str, Path], now: datetime | None = None
) -> str:
    """Prometheus' text of the runs that the service started.

    Args:
        runs: The runs of the deployment.
        places: Folders whose disks are told of, by name.
        now: The time; unset: the clock's.
    """
    now = now or datetime.now(UTC)
    since = (now - _DAY).isoformat()
    lines = ["# TYPE tyre3d_jobs gauge", "# HELP tyre3d_jobs Runs that have not ended, by state."]
    for state in ACTIVE:
        lines.append(f'tyre3d_jobs{{state="{state.lower()}"}} {await runs.count((state,))}')
    lines += [
        "# TYPE tyre3d_jobs_ended_1d gauge",
        "# HELP tyre3d_jobs_ended_1d Runs that ended within a day, by state.",
    ]
    for state in _ENDED:
        count = await runs.count((state,), ended_after=since)
        lines.append(f'tyre3d_jobs_ended_1d{{state="{state.lower()}"}} {count}')
    failed = await runs.with_tags([], ("FAILED", "CRASHED"), ended_after=since)
    codes = Counter(
        failure_of_state(run["state_type"], (run["state"] or {}).get("message")).code
        for run in failed
    )
    lines += [
        "# TYPE tyre3d_failures_1d gauge",
        "# HELP tyre3d_failures_1d The latest failures within a day (at most 200), by error code.",
        *(f'tyre3d_failures_1d{{code="{code}"}} {n}' for code, n in sorted(codes.items())),
        "# TYPE tyre3d_queue_age_seconds gauge",
        "# HELP tyre3d_queue_age_seconds How long the oldest run has waited for a worker.",
    ]
    oldest = await runs.with_tags([], _WAITING, limit=1, oldest_first=True)
    waited = [(now - datetime.fromisoformat(run["created"])).total_seconds() for run in oldest]
    lines.append(f"tyre3d_queue_age_seconds {max([0.0, *waited]):.0f}")
    lines += _stages(await runs.tasks_since(since))
    lines += _disks(places)
    return "\n".join(lines) + "\n"


def _stages(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Seconds of each stage, and how often it was found done before."""
    counts = Counter(
        (stage, str(task["state_name"]).lower())
        for task in tasks
        if (stage := stage_of(task)) is not None and task["state_name"] in _TASKS_ENDED
    )
    return [
        "# TYPE tyre3d_stage_seconds_1d gauge",
        "# HELP tyre3d_stage_seconds_1d Median seconds of a stage, of the latest 2000 of a day.",
        *(
            f'tyre3d_stage_seconds_1d{{stage="{stage}"}} {seconds:.3f}'
            for stage, seconds in sorted(medians_of(tasks).items())
        ),
        "# TYPE tyre3d_stage_runs_1d gauge",
        "# HELP tyre3d_stage_runs_1d How often a stage ended, by state; cached: done before.",
        *(
            f'tyre3d_stage_runs_1d{{stage="{stage}",state="{state}"}} {number}'
            for (stage, state), number in sorted(counts.items())
        ),
    ]


def _disks(places: Mapping[str, Path]) -> list[str]:
    """Bytes that are free, and all bytes, of the disks of some folders."""
    lines = [
        "# TYPE tyre3d_disk_free_bytes gauge",
        "# HELP tyre3d_disk_free_bytes Bytes that are free on the disk of a folder.",
    ]
    sizes = ["# TYPE tyre3d_disk_bytes gauge", "# HELP tyre3d_disk_bytes All bytes of that disk."]
    for name, folder in sorted(places.items()):
        try:
            told = shutil.disk_usage(folder)
        except OSError:
            continue  # a share that is not mounted: the series ends, which can be waited for
        lines.append(f'tyre3d_disk_free_bytes{{place="{name}"}} {told.free}')
        sizes.append(f'tyre3d_disk_bytes{{place="{name}"}} {told.total}')
    return lines + sizes
