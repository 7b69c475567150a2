"""How a job stands: a job is the run that was created for it, and those started in its stead.

What belongs to a job stands in the tags of its runs, for Prefect keeps nothing else that can be
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deployments.api.models import Status
from tasks.core.failures import Failure, failure_of_state

Run = Mapping[str, Any]
"""A run as Prefect's server tells it."""
ENDED: tuple[Status, ...] = ("completed", "failed")
FIRST = "attempt:1"
"""The tag of runs that a job was created as."""
MADE_AGAIN_WITHIN = timedelta(days=1)
"""Runs that ended longer ago are not started again: whoever wanted them has turned elsewhere."""
MAY_BE_MADE_AGAIN = ("CRASHED", "FAILED")
_STATUS: dict[str, Status] = {
    "RUNNING": "processing",
    "CANCELLING": "processing",
    "COMPLETED": "completed",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "failed",
}
_KEPT = ("output:", "reference:", "by:")


@dataclass(frozen=True)
class Job:
    """A job.

    Args:
        attempts: Its runs in order, or the latest of them.
        most: So many there may be.
        now: The time, by the clock that also tells when runs ended.
    """

    attempts: Sequence[Run]
    most: int
    now: datetime

    @property
    def first(self) -> Run:
        """The run that it was created as."""
        return self.attempts[0]

    @property
    def latest(self) -> Run:
        """The run that counts."""
        return self.attempts[-1]

    @property
    def id(self) -> str:
        """Its id."""
        return job_of(self.first)

    @property
    def status(self) -> Status:
        """As its latest run stands; queued where another is about to be started."""
        status = _STATUS.get(self.latest["state_type"], "queued")
        return "queued" if status == "failed" and self.is_made_again() else status

    @property
    def failure(self) -> Failure:
        """Why its latest run failed."""
        run = self.latest
        return failure_of_state(run["state_type"], (run["state"] or {}).get("message"))

    def is_made_again(self) -> bool:
        """Whether its latest run failed, and another may be started in its stead."""
        run = self.latest
        if run["state_type"] not in MAY_BE_MADE_AGAIN or attempt_of(run) >= self.most:
            return False
        ended = run["end_time"]
        late = ended is not None and (self.now - datetime.fromisoformat(ended) > MADE_AGAIN_WITHIN)
        return self.failure.retryable and not late

    def tags_of_next(self) -> list[str]:
        """Tags of the run that is started in the stead of the latest."""
        kept = [tag for tag in self.latest["tags"] if tag.startswith(_KEPT)]
        return [*kept, f"job:{self.id}", f"attempt:{attempt_of(self.latest) + 1}"]


def states_of(status: Status | None) -> list[str]:
    """Types of the states that the first run of a job of this status may have; none: any."""
    if status is None:
        return []
    own = {kind for kind, job_status in _STATUS.items() if job_status == status}
    queued = {"SCHEDULED", "PENDING", "PAUSED"} if status == "queued" else set()
    return sorted({*own, *queued, *MAY_BE_MADE_AGAIN})


def jobs_of(runs: Iterable[Run], most: int, now: datetime) -> list[Job]:
    """The jobs that these runs belong to, in the order in which their first ones come.

    Args:
        runs: All runs of these jobs, or those that are left of them.
        most: As :class:`Job` takes it.
        now: Likewise.
    """
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(job_of(run), []).append(run)
    return [Job(sorted(each, key=attempt_of), most, now) for each in found.values()]


def attempt_of(run: Run) -> int:
    """Which of the job's runs it is, from 1."""
    numbers = (tag.partition(":")[2] for tag in run["tags"] if tag.startswith("attempt:"))
    return next((int(number) for number in numbers if number.isdecimal()), 1)


def job_of(run: Run) -> str:
    """Id of the job that it belongs to."""
    found = (str(tag).partition(":")[2] for tag in run["tags"] if tag.startswith("job:"))
    return next(found, str(run["id"]))


def owner_tags(owner: str | None) -> list[str]:
    """The tag of a client's jobs; none where none is given: jobs of all clients count."""
    return [] if owner is None else [f"by:{owner}"]


def owner_of(tags: Sequence[str]) -> str | None:
    """The client whose job has these tags; None for jobs of nobody in particular."""
    found = (tag for tag in tags if tag.startswith("by:"))
    return next((tag.partition(":")[2] for tag in found), None)


def reference_tag(reference: str) -> str:
    """The tag of jobs with this reference."""
    return f"reference:{reference}"


def reference_of(run: Run) -> str | None:
    """The reference that came with the request."""
    found = (tag for tag in run["tags"] if tag.startswith("reference:"))
    return next((tag.partition(":")[2] for tag in found), None)
