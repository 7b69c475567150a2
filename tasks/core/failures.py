"""Why a run ended without a result, in words that survive Prefect's state messages."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from tasks.core import errors
from tasks.core.errors import Tyre3dError

_ONE_OF_OURS = re.compile(r"(\w+Error): \[([a-z0-9-]+)\] ([^:]+): (.*)", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """Why there is no result.

    Args:
        code: Stable, of the error tree; or ``crashed``, ``cancelled``, ``internal``.
        stage: Stage of the pipeline, empty where unknown.
        message: What was wrong and what to do.
        retryable: Whether the same run can succeed another time.
    """

    code: str
    stage: str
    message: str
    retryable: bool = False

    def to_dict(self) -> dict[str, str]:
        """Code, stage and message as plain JSON types."""
        return {k: v for k, v in asdict(self).items() if k != "retryable"}


def fault_of_error(error: BaseException) -> Fault:
    """The fault that an exception tells of."""
    if isinstance(error, Tyre3dError):
        return Fault(error.code, error.stage, f"{error.what}. {error.advice}", error.retryable)
    return Fault("internal", "", f"{type(error).__name__}: {error}")


def fault_of_state(state_type: str, message: str | None) -> Fault:
    """The fault that the final state of a run tells of.

    Args:
        state_type: Prefect's: ``FAILED``, ``CRASHED`` or ``CANCELLED``.
        message: The state's message.
    """
    text = message or ""
    if state_type == "CANCELLED":
        return Fault("cancelled", "", "The run was cancelled")
    found = _ONE_OF_OURS.search(text)
    if found is not None:
        kind = getattr(errors, found[1], Tyre3dError)
        return Fault(found[2], found[3], found[4], bool(getattr(kind, "retryable", False)))
    if state_type == "CRASHED":
        why = "The process of the run ended before the run did"
        return Fault("crashed", "", f"{why}: {text}" if text else why, retryable=True)
    return Fault("internal", "", text or "The run failed and does not say why")
