"""Pools: whether one is there; draining one, by a pause and until what it has begun has ended."""

from __future__ import annotations

import time

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from tasks.core.errors import InputError

_LOOK_S = 2.0
_BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


def drain_pool(pool: str, within_s: float) -> int:
    """Pause a pool: its workers take no more runs; those that wait go on waiting.

    Args:
        pool: Its name.
        within_s: How long runs that have begun are waited for.

    Returns:
        How many are left; 0 means that its workers can be stopped.

    Raises:
        InputError: ``unknown-pool``.
    """
    begun = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_BEGUN)))
    here = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    end = time.monotonic() + within_s
    with get_client(sync_client=True) as client:
        _pause(client, pool, paused=True)
        while True:
            left = client.read_flow_runs(flow_run_filter=begun, work_pool_filter=here)
            if not left or time.monotonic() > end:
                return len(left)
            time.sleep(_LOOK_S)


def resume_pool(pool: str) -> None:
    """Let the workers of a pool take runs again.

    Raises:
        InputError: ``unknown-pool``.
    """
    with get_client(sync_client=True) as client:
        _pause(client, pool, paused=False)


def check_pool(pool: str) -> int | None:
    """Make sure that a pool is there: a worker makes one that is not, open to whatever runs bring.

    Returns:
        How many of its runs go at a time on all machines; None: as many as come.

    Raises:
        InputError: ``unknown-pool``.
    """
    with get_client(sync_client=True) as client:
        try:
            return client.read_work_pool(pool).concurrency_limit
        except ObjectNotFound as exc:
            raise _unknown(pool) from exc


def _pause(client: SyncPrefectClient, pool: str, *, paused: bool) -> None:
    try:
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=paused))
    except ObjectNotFound as exc:
        raise _unknown(pool) from exc


def _unknown(pool: str) -> InputError:
    return InputError(
        "unknown-pool",
        stage="start",
        what=f"there is no pool {pool}",
        advice="make deploy makes them; deployments/pools.yaml names them",
    )
