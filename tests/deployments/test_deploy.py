"""What is made on a server: once, and anew only where it is to be another."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from deployments import deploy
from deployments.deploy import make_pools, watch_over_runs
from tasks.core.errors import ResourceError


class Client:
    """Keeps automations as Prefect's server does."""

    def __init__(self) -> None:
        self.kept: dict[UUID, Automation] = {}

    def read_automations_by_name(self, name: str) -> list[Automation]:
        return [each for each in self.kept.values() if each.name == name]

    def delete_automation(self, automation_id: UUID) -> None:
        del self.kept[automation_id]

    def create_automation(self, automation: AutomationCore) -> UUID:
        told: dict[str, Any] = automation.model_dump(mode="json")
        made = Automation.model_validate({**told, "id": uuid4()})
        self.kept[made.id] = made
        return made.id


def _watch(client: Client, silence_s: float) -> None:
    silence, start = timedelta(seconds=silence_s), timedelta(seconds=900)
    watch_over_runs(cast("SyncPrefectClient", client), silence, start)


def test_a_watch_that_is_there_goes_on_waiting_for_what_it_waits_for() -> None:
    """One that is made anew forgets the runs that have begun, those of a backup among them."""
    client = Client()
    _watch(client, 150)
    before = set(client.kept)
    assert len(before) == 2
    _watch(client, 150)
    assert set(client.kept) == before
    _watch(client, 60)
    assert len(client.kept) == 2
    assert len(before & set(client.kept)) == 1


def test_of_two_watches_that_were_made_at_once_one_stays() -> None:
    client = Client()
    _watch(client, 150)
    before = set(client.kept)
    for automation in list(client.kept.values()):
        client.create_automation(automation)
    _watch(client, 150)
    assert set(client.kept) == before


def test_a_pool_that_another_deploy_makes_meanwhile_is_brought_up_to_date() -> None:
    updated: list[WorkPoolUpdate] = []

    class Meanwhile:
        there = False

        def request(self, *_: Any, **__: Any) -> httpx.Response:
            variables = {"properties": {"name": {}, "labels": {}, "env": {}}}
            template = {"job_configuration": {}, "variables": variables}
            worker = {"default_base_job_configuration": template}
            return httpx.Response(200, json={"prefect": {"process": worker}})

        def read_work_pool(self, name: str) -> SimpleNamespace:
            if not self.there:
                raise ObjectNotFound(Exception(name))
            return SimpleNamespace(type="process")

        def create_work_pool(self, pool: WorkPoolCreate) -> None:
            self.there = True
            raise ObjectAlreadyExists(Exception(pool.name))

        def update_work_pool(self, _: str, pool: WorkPoolUpdate) -> None:
            updated.append(pool)

    pool = {"type": "process", "description": "runs", "concurrency_limit": 3}
    make_pools(cast("SyncPrefectClient", Meanwhile()), {"cpu": pool})
    assert [each.concurrency_limit for each in updated] == [3]


def test_a_server_that_starts_is_waited_for_and_one_that_goes_away_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []

    def check(within_s: float) -> None:
        waits.append(within_s)
        if len(waits) == 1:
            raise ResourceError("server-away", stage="start", what="it does not answer", advice="")

    def away(_: Any) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(sys, "argv", ["deploy", "--within-s", "7"])
    for name in ("ask_loopback_directly", "use_own_password"):
        monkeypatch.setattr(deploy, name, lambda: None)
    monkeypatch.setattr(deploy, "check_server", check)
    monkeypatch.setattr(deploy, "_make", away)
    with caplog.at_level(logging.INFO, logger="tyre3d.deploy"):
        assert deploy.main() == 1
    assert waits == [0.0, 7.0]
    assert "waited for" in caplog.messages[0]
    assert "run this again" in caplog.messages[-1]


class EmptyServer:
    """A server of which nothing has been asked yet."""

    def read_automations(self, **_: Any) -> list[Any]:
        return []

    read_deployments = read_automations


@pytest.mark.parametrize("on", [True, False])
def test_what_was_switched_on_the_server_stays_so(on: bool) -> None:
    """Of uploads nothing would be made after an upgrade, and nobody told."""
    document = yaml.safe_load((deploy.ROOT / "prefect.yaml").read_text())
    assert deploy.as_switched(document, [], {}) == document
    schedules = [
        DeploymentSchedule(schedule=CronSchedule(cron="0 2 * * *", timezone="UTC"), active=on),
        DeploymentSchedule(schedule=CronSchedule(cron="9 9 * * *", timezone="UTC"), active=True),
    ]
    there = DeploymentResponse(id=uuid4(), name="incoming", flow_id=uuid4(), schedules=schedules)
    switched = {"incoming__automation_1": on, "another": not on}
    changed = {
        each["name"]: each
        for each in deploy.as_switched(document, [there], switched)["deployments"]
    }
    assert [each["active"] for each in changed["incoming"]["schedules"]] == [on]
    assert [each["enabled"] for each in changed["incoming"]["triggers"]] == [on]
    assert [each["active"] for each in changed["prune"]["schedules"]] == [True]


@pytest.mark.parametrize("code", [0, 1])
def test_of_what_prefects_command_says_only_a_failure_is_shown(
    code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it succeeds it advises to start workers of its own, who lose the runs at hand."""
    said = "start a worker: prefect worker start --pool 'gpu'"
    monkeypatch.setattr(deploy, "check_server", lambda _: None)
    monkeypatch.setattr(deploy, "_make", lambda _: None)
    for name in ("ask_loopback_directly", "use_own_password", "refresh_global_settings_context"):
        monkeypatch.setattr(deploy, name, lambda: None)
    monkeypatch.setattr(sys, "argv", ["deploy"])
    done = subprocess.CompletedProcess([], code, stdout=said)
    monkeypatch.setattr(deploy, "get_client", lambda **_: nullcontext(EmptyServer()))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with caplog.at_level(logging.INFO, logger="tyre3d.deploy"):
        assert deploy.main() == code
    (line,) = caplog.messages
    if code:
        assert line == said
    else:
        assert line.endswith("compare, history, infer, batch, incoming, prune, train")
