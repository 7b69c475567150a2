"""How long a job will still take, from what earlier ones took."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from configs.progress import SHARES, share_before
from deployments.api.errors import ApiError
from deployments.api.prefect_runs import PrefectRuns

_KNOWN_FOR_S = 60.0
_EARLIER_RUNS = 20


def stage_of(task_run: Mapping[str, Any]) -> str | None:
    """The stage of a task's run, which is named ``<stage>-<tyre>``; None where it is none."""
    name = str(task_run["name"])
    return next((stage for stage in SHARES if name.startswith(f"{stage}-")), None)


def medians_of(task_runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Median seconds of each stage over the runs of its task that did the work."""
    taken: dict[str, list[float]] = defaultdict(list)
    for run in task_runs:
        stage = stage_of(run)
        if stage is not None and run["state_name"] == "Completed":
            # less than nothing where a clock was set back meanwhile
            taken[stage].append(max(float(run["total_run_time"]), 0.0))
    return {stage: statistics.median(seconds) for stage, seconds in taken.items()}


def seconds_left(stage: str | None, progress: float, medians: Mapping[str, float]) -> int | None:
    """Seconds until the end of a job.

    Args:
        stage: The stage that it is in; None before the first.
        progress: Its progress, 0..1, as :data:`SHARES` count it.
        medians: Seconds of each stage, of earlier jobs.

    Returns:
        None where nothing is known of earlier jobs.
    """
    if not medians:
        return None
    if stage is None:
        return round(sum(medians.values()))
    if stage not in SHARES:
        return 0
    names = list(SHARES)
    done = min(max((progress - share_before(stage)) / SHARES[stage], 0.0), 1.0)
    later = names[names.index(stage) + 1 :]
    left = medians.get(stage, 0.0) * (1.0 - done) + sum(medians.get(name, 0.0) for name in later)
    return round(left)


class Expected:
    """What earlier jobs took, by preset; looked at once a minute.

    Args:
        runs: The runs of the deployment.
    """

    def __init__(self, runs: PrefectRuns) -> None:
        self._runs = runs
        self._known: dict[str, tuple[float, dict[str, float]]] = {}

    async def eta_s(self, preset: str, stage: str | None, progress: float) -> int | None:
        """Seconds until the end of a job; None where nothing tells."""
        until, medians = self._known.get(preset, (0.0, {}))
        if until < time.monotonic():
            try:
                medians = medians_of(await self._earlier(preset))
            except ApiError:
                medians = {}
            self._known[preset] = (time.monotonic() + _KNOWN_FOR_S, medians)
        return seconds_left(stage, progress, medians)

    async def _earlier(self, preset: str) -> list[dict[str, Any]]:
        """Runs of the tasks of the latest jobs with a preset, of others where there are none."""
        ended = await self._runs.with_tags([], ("COMPLETED",))
        alike = [r for r in ended if r["parameters"]["request"].get("preset") == preset]
        chosen = (alike or ended)[:_EARLIER_RUNS]
        return await self._runs.tasks_of([r["id"] for r in chosen]) if chosen else []
