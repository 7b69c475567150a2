"""Figures of the service for Prometheus: how jobs stand, how long they wait, why they fail."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from deployments.api.prefect_runs import ACTIVE, WAITING, PrefectRuns
from deployments.api.remaining_time import medians_of, stage_of
from flows.support.machine import disks
from tasks.core.failures import failure_of_state

TEXT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_DAY = timedelta(days=1)
_TASKS_ENDED = ("Completed", "Cached", "Failed", "Crashed")
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


async def metrics(
    kinds: Sequence[PrefectRuns], folders: Mapping[str, Path], now: datetime | None = None
) -> bytes:
    """Prometheus' text of the runs that the service started.

    Args:
        kinds: The runs of each deployment.
        folders: Folders whose disks are told of, by name.
        now: The time; unset: as Prefect's server tells it.
    """
    now = now or kinds[0].now()
    since = (now - _DAY).isoformat()
    codes: Counter[str] = Counter()
    states: Counter[tuple[str, ...]] = Counter()
    ended: Counter[tuple[str, ...]] = Counter()
    oldest: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    for runs in kinds:
        failed = await runs.with_tags([], ("FAILED", "CRASHED"), ended_after=since)
        codes.update(
            failure_of_state(run["state_type"], (run["state"] or {}).get("message")).code
            for run in failed
        )
        oldest += await runs.with_tags([], WAITING, limit=1, oldest_first=True)
        states.update({(s.lower(),): await runs.count((s,)) for s in ACTIVE})
        ended.update({(s.lower(),): await runs.count((s,), ended_after=since) for s in _ENDED})
        tasks += await runs.tasks_since(since)
    waited = [(now - datetime.fromisoformat(run["created"])).total_seconds() for run in oldest]
    families = [
        _gauge(
            "tyre3d_jobs",
            "Runs that have not ended, by state.",
            ("state",),
            states,
        ),
        _gauge(
            "tyre3d_jobs_ended_1d",
            "Runs that ended within a day, by state.",
            ("state",),
            ended,
        ),
        _gauge(
            "tyre3d_failures_1d",
            "The latest failures within a day (at most 200 of each kind of job), by error code.",
            ("code",),
            {(code,): number for code, number in codes.items()},
        ),
        _gauge(
            "tyre3d_queue_age_seconds",
            "How long the oldest run has waited for a worker.",
            (),
            {(): round(max([0.0, *waited]))},
        ),
        *_stages(tasks),
        *_disks(folders),
        *_machines(await kinds[0].machines()),
    ]
    return generate_latest(_Families(families))


class _Families(Collector):
    """What was looked up, for the writer of Prometheus' text."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def _gauge(
    name: str, about: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    """A series for each value, by the values of its labels."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for label_values, value in sorted(values.items()):
        family.add_metric(label_values, value)
    return family


def _stages(tasks: Sequence[Mapping[str, Any]]) -> list[GaugeMetricFamily]:
    """Seconds of each stage, and how often it was found done before."""
    counts: Counter[tuple[str, ...]] = Counter(
        (stage, str(task["state_name"]).lower())
        for task in tasks
        if (stage := stage_of(task)) is not None and task["state_name"] in _TASKS_ENDED
    )
    return [
        _gauge(
            "tyre3d_stage_seconds_1d",
            "Median seconds of a stage, of the latest 2000 of a day.",
            ("stage",),
            {(stage,): round(seconds, 3) for stage, seconds in medians_of(tasks).items()},
        ),
        _gauge(
            "tyre3d_stage_runs_1d",
            "How often a stage ended, by state; cached: done before.",
            ("stage", "state"),
            counts,
        ),
    ]


def _disks(folders: Mapping[str, Path]) -> list[GaugeMetricFamily]:
    """Bytes that are free, and all bytes, of the disks of some folders."""
    found = disks(folders).items()  # of a share that is not mounted the series ends
    free: dict[tuple[str, ...], float] = {(name,): disk["free"] for name, disk in found}
    whole: dict[tuple[str, ...], float] = {(name,): disk["total"] for name, disk in found}
    return [
        _gauge("tyre3d_disk_free_bytes", "Bytes free on a folder's disk.", ("place",), free),
        _gauge("tyre3d_disk_bytes", "All bytes of that disk.", ("place",), whole),
    ]


def _machines(records: Sequence[Mapping[str, Any]]) -> list[GaugeMetricFamily]:
    """Disks and GPUs of the machines that told of themselves, the latest first."""
    values: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for each in records:
        machine = str(each["machine"])
        for path, disk in each["disks"].items():
            for field, value in disk.items():
                values[f"disk {field}"].setdefault((machine, path), value)
        for gpu in each["gpus"]:
            for field in ("used", "memory_used", "memory"):
                if field in gpu:
                    values[field].setdefault((machine, gpu["index"], gpu["name"]), gpu[field])
    disk, gpu = ("machine", "place"), ("machine", "gpu", "name")
    families = {
        "disk free": ("tyre3d_machine_disk_free_bytes", "Bytes free on a machine's disk.", disk),
        "disk total": ("tyre3d_machine_disk_bytes", "All bytes of that disk.", disk),
        "used": ("tyre3d_gpu_used_ratio", "Share of a moment in which a GPU worked.", gpu),
        "memory_used": ("tyre3d_gpu_memory_used_bytes", "Bytes of a GPU's memory in use.", gpu),
        "memory": ("tyre3d_gpu_memory_bytes", "All bytes of that memory.", gpu),
    }
    return [_gauge(*family, values[field]) for field, family in families.items()]
