"""Runs that nobody works on are ended, whatever the server has forgotten, and no other is."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
from prefect import State
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Pending, Running

from flows import TAG
from flows.support.lost_runs import LostRuns

WITHIN_S = 100.0


class Server:
    """Stands for the server and its client: runs, their heartbeats, and how they were ended."""

    def __init__(self) -> None:
        self.now = 0.0
        self.runs: dict[UUID, FlowRun] = {}
        self.heartbeats: dict[str, list[str]] = {}
        self.ended: dict[UUID, State[Any]] = {}

    def run(self, state: State[Any], run_id: UUID | None = None) -> UUID:
        """A run that comes into a state."""
        run_id = run_id or uuid4()
        self.runs[run_id] = FlowRun(
            id=run_id, flow_id=uuid4(), state=state, state_type=state.type, state_id=uuid4()
        )
        return run_id

    async def read_flow_runs(
        self, *, flow_run_filter: Any, limit: int, offset: int
    ) -> list[FlowRun]:
        assert flow_run_filter.tags.all_ == [TAG]
        wanted = flow_run_filter.state.type.any_
        found = [run for run in self.runs.values() if run.state_type in wanted]
        return found[offset : offset + limit]

    async def request(self, method: str, path: str, json: Any) -> httpx.Response:
        assert (method, path, json["filter"]["order"]) == ("POST", "/events/filter", "DESC")
        (resource,) = json["filter"]["resource"]["id"]
        told = self.heartbeats.get(resource.removeprefix("prefect.flow-run."), [])
        events = [{"id": each} for each in reversed(told)][: json["limit"]]
        return httpx.Response(200, json={"events": events})

    async def set_flow_run_state(self, run_id: UUID, state: State[Any]) -> None:
        self.ended[run_id] = state
        self.run(state, run_id)

    def looked(self, lost: LostRuns, *at: float) -> list[UUID]:
        """What is ended by looks at these times."""
        found: list[UUID] = []
        for self.now in at:
            found += asyncio.run(lost.end(cast(PrefectClient, self)))
        return found


def lost_on(server: Server) -> LostRuns:
    return LostRuns(WITHIN_S, lambda: server.now)


def test_a_run_that_stays_as_it_is_is_ended() -> None:
    server = Server()
    lost = lost_on(server)
    pending, running = server.run(Pending()), server.run(Running())
    server.heartbeats[str(running)] = ["the last"]
    cancelling = server.run(Cancelling())
    assert server.looked(lost, 0, 50, 101, 150, 201) == []
    assert set(server.looked(lost, 202)) == {pending, running, cancelling}
    kinds = {run: state.type.value for run, state in server.ended.items()}
    assert kinds == {pending: "CRASHED", running: "CRASHED", cancelling: "CANCELLED"}
    assert server.looked(lost, 1000) == []


def test_a_run_that_gives_signs_is_left_alone() -> None:
    server = Server()
    lost = lost_on(server)
    moving, beating = server.run(Pending()), server.run(Running())
    for at in range(0, 2000, 60):
        if at % 180 == 0:  # less often than would be needed, were it not for the second look
            server.run(Running(), moving)
        if at % 60 == 0:
            server.heartbeats.setdefault(str(beating), []).append(str(at))
        assert server.looked(lost, at) == [], at
    assert set(server.looked(lost, 2080, 2200)) >= {beating}


def test_a_run_of_which_a_look_came_late_is_not_ended_at_once() -> None:
    """A server that was away for long is no sign that a run is lost."""
    server = Server()
    lost = lost_on(server)
    run = server.run(Running())
    server.heartbeats[str(run)] = ["one"]
    assert server.looked(lost, 0, 5000) == []
    server.heartbeats[str(run)].append("two")
    assert server.looked(lost, 10_000) == []
    assert server.looked(lost, 10_101) == [run]


def test_all_pages_of_runs_are_looked_at() -> None:
    server = Server()
    lost = lost_on(server)
    runs = {server.run(Pending()) for _ in range(450)}
    assert set(server.looked(lost, 0, 101, 202)) == runs
