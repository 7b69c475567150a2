"""Figures of the service for Prometheus: how jobs stand, how long they wait, why they fail."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from deployments.api.prefect_runs import ACTIVE, PrefectRuns
from tasks.core.failures import failure_of_state

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DAY = timedelta(days=1)
_WAITING = ("SCHEDULED", "PENDING")
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


async def metrics(runs: PrefectRuns, now: datetime | None = None) -> str:
    """Prometheus' text of the runs that the service started.

    Args:
        runs: The runs of the deployment.
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
    return "\n".join(lines) + "\n"
