"""The watch over runs: made once, and anew only where it is to be another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import Automation, AutomationCore

from deployments.deploy import watch_over_runs


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
