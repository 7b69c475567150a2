"""How stages appear to Prefect: cached by the artifact's key, retried only where it can help."""

from __future__ import annotations

import hashlib
from typing import Any

from prefect import State
from prefect.context import TaskRunContext
from prefect.tasks import Task

from tasks.core.errors import Tyre3dError


def by_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """The cache key: the artifact's key, a digest of all that the result depends on; its store."""
    place = hashlib.sha256(parameters["store"].root.encode()).hexdigest()[:12]
    return f"tyre3d-{context.task.name.replace(' ', '-')}-{parameters['key']}-{place}"


def worth_retrying(task: Task[..., Any], run: object, state: State[Any]) -> bool:
    """Whether another attempt can succeed: only errors that say so, never the user's input."""
    error = state.data
    if not isinstance(error, BaseException):
        error = state.result(raise_on_failure=False)
    return isinstance(error, Tyre3dError) and error.retryable


STAGE: dict[str, Any] = {
    "cache_key_fn": by_key,
    "persist_result": True,
    "result_serializer": "json",
    "retry_delay_seconds": [1, 5],
    "retry_condition_fn": worth_retrying,
    "log_prints": False,
}
"""Options that all stages share."""
