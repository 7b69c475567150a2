"""Runs that nobody works on any more and that the server has lost sight of.

The server's watch (``deployments/deploy.py``) lives on events, which wait in the server's memory: a
server that is killed after it wrote a run's state and before it handled the event never waits for
what must follow, nor does one whose watch is made anew meanwhile. A run whose worker dies at that
time would stay as it is for ever. Workers therefore look at the runs themselves, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from uuid import UUID

from prefect import State
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed

from flows import TAG

_BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_PAGE = 200


class Unchanged:
    """Tells what has been the same for long.

    Args:
        within_s: So long may it be the same.
        clock: Seconds that only grow, of this process: no machine's clock needs to be right.
    """

    def __init__(self, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._within_s = within_s
        self._clock = clock
        self._since: dict[UUID, tuple[Hashable, float]] = {}

    def of(self, signs: Mapping[UUID, Hashable]) -> list[UUID]:
        """The runs whose sign has been the same for longer than it may.

        Args:
            signs: What tells of each; whatever is not among them is forgotten.
        """
        now, known = self._clock(), self._since
        self._since = {
            each: known[each] if each in known and known[each][0] == sign else (sign, now)
            for each, sign in signs.items()
        }
        return [each for each, (_, since) in self._since.items() if now - since > self._within_s]


class LostRuns:
    """Ends runs whose state and heartbeat have not changed for long.

    Args:
        within_s: How long a run may stay in one state before its heartbeats are looked at, and how
            long these may then stay away.
        clock: As of :class:`Unchanged`.
    """

    def __init__(self, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._states = Unchanged(within_s, clock)
        self._heartbeats = Unchanged(within_s, clock)

    async def end(self, client: PrefectClient) -> list[UUID]:
        """Look at all runs once, and end those that are lost; returns these.

        Raises:
            httpx.HTTPError: The server is away.
            PrefectHTTPStatusError: It refuses.
        """
        runs = {run.id: run for run in await _begun(client)}
        same = self._states.of({run.id: run.state_id for run in runs.values()})
        beats = {
            run_id: (runs[run_id].state_id, await _heartbeat(client, run_id)) for run_id in same
        }
        lost = self._heartbeats.of(beats)
        for run_id in lost:
            why = "No heartbeat: nobody works on it any more"
            await client.set_flow_run_state(run_id, end_of(runs[run_id], why))
        return lost


def end_of(run: FlowRun, why: str) -> State[None]:
    """The end of a lost run: Crashed, so that whoever asked for it starts it again; or Cancelled.

    Args:
        run: The run; one that was to be cancelled is.
        why: The message of the crash.
    """
    if run.state_type == StateType.CANCELLING:
        return Cancelled(message="It was to be cancelled, and nobody works on it any more")
    return Crashed(message=why)


async def _begun(client: PrefectClient) -> list[FlowRun]:
    ours = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_BEGUN)),
        tags=FlowRunFilterTags(all_=[TAG]),
    )
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(flow_run_filter=ours, limit=_PAGE, offset=len(found))
        found += page
        if len(page) < _PAGE:
            return found


async def _heartbeat(client: PrefectClient, run_id: UUID) -> str | None:
    """Id of the latest heartbeat of a run; None where there was none."""
    filters = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run_id}"]},
        "order": "DESC",
    }
    answer = await client.request("POST", "/events/filter", json={"filter": filters, "limit": 1})
    events = answer.json()["events"]
    return str(events[0]["id"]) if events else None
