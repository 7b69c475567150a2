"""The automations that tell a person."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from prefect.server.events.schemas.automations import AutomationCreate

from deployments.alerts import ALERTS, NO_WORKER, OLD_QUEUE, RUN_FAILED, alerts


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
    for name in (RUN_FAILED, OLD_QUEUE):
        assert told[name].match_related["prefect.resource.id"] == ["prefect.tag.tag"]
