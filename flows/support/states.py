"""What final states of runs tell."""

from __future__ import annotations

from typing import Any

from prefect import State

from tasks.core.errors import Tyre3dError
from tasks.core.failures import Failure, failure_of_error, failure_of_state


def failure_of_run(state: State[Any]) -> Failure:
    """Why a run of this process has no result."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, Tyre3dError):
        return failure_of_error(error)
    return failure_of_state(state.type.value, state.message)
