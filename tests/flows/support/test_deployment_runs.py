"""Many runs are watched by one request, through times when the server is away."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Failed, Running

from flows.support import deployment_runs as module
from flows.support.deployment_runs import RunWatch
from tasks.core.errors import ResourceError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_S", 0.01)


class Client:
    """Stands for the client: answers of ``read_flow_runs``, in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[set[UUID]] = []

    async def read_flow_runs(self, *, flow_run_filter: Any, limit: int) -> list[FlowRun]:
        self.asked.append(set(flow_run_filter.id.any_))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


def _run(state: Any, like: FlowRun | None = None) -> FlowRun:
    return FlowRun(id=like.id if like else uuid4(), flow_id=uuid4(), state=state)


def _watched(client: Client, runs: list[FlowRun]) -> list[Any]:
    async def watched() -> list[Any]:
        watch = RunWatch(cast(PrefectClient, client))
        looking = asyncio.create_task(watch.look())
        ends = [watch.end_of(run) for run in runs]
        try:
            return await asyncio.wait_for(asyncio.gather(*ends, return_exceptions=True), 30)
        finally:
            looking.cancel()

    return asyncio.run(watched())


def test_many_runs_are_looked_at_by_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        return None

    monkeypatch.setattr(module, "pause", at_once)
    first, second, gone, over = (_run(Running()) for _ in range(4))
    over = _run(Completed(), over)
    client = Client(
        httpx.ConnectError("away"),
        [_run(Completed(), first), second],
        [_run(Failed(message="x"), second)],
    )
    ends = _watched(client, [first, second, gone, over])
    assert [e.state.type.value if e else None for e in ends] == [
        "COMPLETED",
        "FAILED",
        None,
        "COMPLETED",
    ]
    everyone = {first.id, second.id, gone.id}
    assert client.asked == [everyone, everyone, {second.id}]


def test_a_server_that_stays_away_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", -1.0)
    (end,) = _watched(Client(httpx.ConnectError("away")), [_run(Running())])
    assert isinstance(end, ResourceError)
    assert str(end).startswith("[server-away] batch: looking at runs: Prefect's server does not")
