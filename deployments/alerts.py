"""Alerts: automations of a Prefect server that tell a person, by a block that the operator made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from flows.support.machine import DISK_LOW
from tasks.core.phrasing import counted

RUN_FAILED = "tyre3d: alert: a run failed"
NO_WORKER = "tyre3d: alert: a pool has no worker"
OLD_QUEUE = "tyre3d: alert: the queue is old"
DISK_FULL = "tyre3d: alert: a disk fills up"
ALERTS = (RUN_FAILED, NO_WORKER, OLD_QUEUE, DISK_FULL)
_TAKEN = ("Pending", "Running", "Completed", "Failed", "Crashed", "Cancelling", "Cancelled")
_ONCE: dict[str, Any] = {
    "posture": Posture.Reactive,
    "for_each": {"prefect.resource.id"},
    "threshold": 1,
    "within": timedelta(minutes=1),
}
"""A busy server looks at one event several times: one run, or pool, is told of once a minute."""
_RUNBOOK = "What to do: docs/runbook.md"


def find_block(client: SyncPrefectClient, name: str) -> UUID:
    """The id of a notification block.

    Args:
        client: A client of the server.
        name: ``<type>/<name>``, such as ``slack-webhook/on-call``.

    Raises:
        SystemExit: There is none.
    """
    kind, _, block = name.partition("/")
    try:
        return client.read_block_document_by_name(block, kind).id
    except ObjectNotFound:
        where = "make it in the UI, under Blocks, and name it as TYPE/NAME"
        raise SystemExit(f"there is no block {name} on this server: {where}") from None


def alerts(block: UUID, tag: str, pools: list[str], queue_age: timedelta) -> list[AutomationCore]:
    """The automations.

    Args:
        block: The notification block that tells.
        tag: What the watched runs are tagged with.
        pools: Names of the pools that need workers.
        queue_age: How long a run may wait.
    """
    of_runs = {"prefect.resource.id": ["prefect.flow-run.*"]}
    ours = {"prefect.resource.id": [f"prefect.tag.{tag}"]}
    failed = EventTrigger(
        expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
        match=of_runs,
        match_related=ours,
        **_ONCE,
    )
    gone = EventTrigger(
        expect={"prefect.work-pool.not-ready"},
        match={"prefect.resource.id": ["prefect.work-pool.*"], "prefect.resource.name": pools},
        **_ONCE,
    )
    waits = EventTrigger(
        after={"prefect.flow-run.Late"},
        expect={f"prefect.flow-run.{name}" for name in _TAKEN},
        for_each={"prefect.resource.id"},
        match=of_runs,
        match_related=ours,
        posture=Posture.Proactive,
        threshold=1,
        within=queue_age,
    )
    filling = EventTrigger(
        expect={DISK_LOW},
        match={"prefect.resource.id": [f"{DISK_LOW}.*"]},
        **{**_ONCE, "within": timedelta(hours=12)},  # it is told of at every look
    )
    minutes = round(queue_age.total_seconds() / 60)
    run = "{{ flow_run.name }} ({{ flow_run.id }})"
    automations = {
        RUN_FAILED: (failed, f"{run}: {{{{ flow_run.state.message }}}}"),
        NO_WORKER: (gone, "Nobody takes the runs of the pool {{ work_pool.name }}"),
        OLD_QUEUE: (waits, f"{run} has waited for {counted(minutes, 'minute')}"),
        DISK_FULL: (filling, "{{ event.resource.name }}"),
    }
    return [
        AutomationCore(
            name=name,
            description=_RUNBOOK,
            trigger=trigger,
            actions=[
                SendNotification(
                    block_document_id=block, subject=name, body=f"{body}\n\n{_RUNBOOK}"
                )
            ],
        )
        for name, (trigger, body) in automations.items()
    ]


def make_alerts(client: SyncPrefectClient, made: list[AutomationCore]) -> None:
    """Put the automations in the place of those of the same names."""
    for automation in made:
        for old in client.read_automations_by_name(automation.name):
            client.delete_automation(old.id)
        client.create_automation(automation)
