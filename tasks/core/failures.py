"""Why a run ended without a result, in words that survive Prefect's state messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tasks.core.errors import Tyre3dError, is_transient
from tasks.storage.base import disk_error

BUG_ADVICE = "This is a fault of Tyre3D: report it, with the run's log (--verbose prints it)"
"""What to do about an error that is none of ours."""
_ONE_RELEASE = (
    "The worker's release knows no such parameters: bring API, commands and workers to one "
    "release, or mend what was asked, and send it again"
)
_OF_PREFECT = "encountered an exception: "
_NOT_UNDERSTOOD = "Validation of flow parameters failed with error: "
_OWN_ERROR = re.compile(r"(?:\A|\w+Error: )\[([a-z0-9-]+)\] ([^:]+): (.*)", re.DOTALL)
"""Our sentence, as a run states it, or as Prefect words it of a task or an older run."""


@dataclass(frozen=True)
class Failure:
    """Why there is no result.

    Args:
        code: Stable, of the error tree; or ``crashed``, ``cancelled``, ``internal``.
        stage: Stage of the pipeline, empty where unknown.
        message: What was wrong and what to do.
    """

    code: str
    stage: str
    message: str

    @property
    def retryable(self) -> bool:
        """Whether the same run can succeed another time."""
        return is_transient(self.code)

    def to_dict(self) -> dict[str, str]:
        """Code, stage and message as plain JSON types."""
        return asdict(self)


def why_of(
    error: Mapping[str, str] | None, codes: Sequence[str], sentences: Sequence[str]
) -> tuple[str, ...]:
    """Why something has no result, or one with reservations: lines that begin with their code.

    Args:
        error: Code, stage and message of a failure; None where there is a result.
        codes: The codes of the result's reasons.
        sentences: The same in words; records of earlier releases have none.
    """
    if error:
        stage = f"{error['stage']}: " if error["stage"] else ""
        return (f"[{error['code']}] {stage}{error['message']}",)
    if len(sentences) != len(codes):
        return tuple(codes)
    return tuple(f"[{code}] {text}" for code, text in zip(codes, sentences, strict=True))


def failure_of_error(error: BaseException) -> Failure:
    """The failure that an exception stands for."""
    cause = disk_error(error) or error
    if isinstance(cause, Tyre3dError):
        return Failure(cause.code, cause.stage, f"{cause.what}. {cause.advice}")
    return Failure("internal", "", f"{type(error).__name__}: {error}. {BUG_ADVICE}")


def failure_of_state(state_type: str, message: str | None) -> Failure:
    """The failure that the final state of a run stands for.

    Args:
        state_type: Prefect's: ``FAILED``, ``CRASHED`` or ``CANCELLED``.
        message: The state's message.
    """
    text = message or ""
    if state_type == "CANCELLED":
        return Failure("cancelled", "", "The run was cancelled")
    found = _OWN_ERROR.search(text)
    if found is not None:
        return Failure(found[1], found[2], found[3])
    if state_type == "CRASHED":
        why = "The process of the run ended before the run did"
        return Failure("crashed", "", f"{why}: {text}" if text else why)
    if text.startswith(_NOT_UNDERSTOOD):
        what = " ".join(text.removeprefix(_NOT_UNDERSTOOD).split())
        return Failure("release-differs", "start", f"{what}. {_ONE_RELEASE}")
    if _OF_PREFECT in text:
        text = f"{text.rpartition(_OF_PREFECT)[2]}. {BUG_ADVICE}"
    return Failure("internal", "", text or "The run failed and does not say why")
