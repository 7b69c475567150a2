"""The automations that tell a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from prefect.events.schemas.events import Resource
from prefect.server.events.schemas.automations import AutomationCreate

from deployments.alerts import ALERTS, DISK_FULL, NO_WORKER, OLD_QUEUE, RUN_FAILED, alerts
from flows.support.machine import DISK_LOW, events


def test_a_server_takes_them_and_each_tells_by_the_block() -> None:
    block = uuid4()
    made = alerts(block, "tyre3d", ["cpu", "batch"], timedelta(minutes=10))
    assert [each.name for each in made] == list(ALERTS)
    for each in made:
        theirs = AutomationCreate.model_validate(each.model_dump(mode="json"))
        (action,) = theirs.actions
        assert action.block_document_id == block
        assert "docs/runbook.md" in action.body


def test_what_each_waits_for() -> None:
    told = {a.name: a.trigger for a in alerts(uuid4(), "tag", ["cpu"], timedelta(minutes=10))}
    assert told[RUN_FAILED].expect == {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
    assert told[NO_WORKER].expect == {"prefect.work-pool.not-ready"}
    assert told[NO_WORKER].match["prefect.resource.name"] == ["cpu"]
    old = told[OLD_QUEUE]
    assert old.after == {"prefect.flow-run.Late"}
    assert "prefect.flow-run.Running" in old.expect
    assert old.within == timedelta(minutes=10)
    full = told[DISK_FULL]
    assert full.expect == {DISK_LOW}
    assert full.within == timedelta(hours=12)
    told_of = events({"home": Path("/")}, 1e20, datetime.now(UTC))
    (event,) = (e for e in told_of if e["event"] == DISK_LOW)
    assert full.match.matches(Resource(event["resource"]))
    for name in (RUN_FAILED, OLD_QUEUE):
        assert told[name].match_related["prefect.resource.id"] == ["prefect.tag.tag"]
