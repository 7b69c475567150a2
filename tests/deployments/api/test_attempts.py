"""How a job stands by its runs: the first, and those that were started in its stead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.api.attempts import (
    MADE_AGAIN_WITHIN,
    Job,
    jobs_of,
    owner_of,
    reference_of,
    states_of,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def run(
    number: int = 1, state: str = "CRASHED", ended: timedelta = timedelta(), **more: Any
) -> dict[str, Any]:
    """A run of the job ``a``; later ones name it, and its first needs no name."""
    tags = ["output:/o/t.glb", f"attempt:{number}", *(["job:a"] if number > 1 else [])]
    return {
        "id": "a" if number == 1 else f"a{number}",
        "tags": [*tags, *more.pop("tags", [])],
        "state_type": state,
        "state": {"message": more.pop("message", "")},
        "end_time": (NOW - ended).isoformat(),
    }


def job(*attempts: dict[str, Any], most: int = 3) -> Job:
    return Job(attempts, most, NOW)


def test_a_crash_is_made_again_until_there_were_enough() -> None:
    assert job(run()).status == "queued"
    assert job(run(), run(2)).status == "queued"
    assert job(run(), run(2), run(3)).status == "failed"
    assert job(run(), run(2, "RUNNING")).status == "processing"
    assert job(run(), run(2, "COMPLETED")).status == "completed"


def test_what_ended_long_ago_or_was_cancelled_is_not() -> None:
    assert job(run(ended=MADE_AGAIN_WITHIN + timedelta(seconds=1))).status == "failed"
    assert job(run(state="CANCELLED")).status == "failed"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("[storage-failed] extract: the bucket is away. Try again", "queued"),
        ("[video-empty] extract: it has no frames. Film again", "failed"),
    ],
)
def test_a_failure_is_made_again_where_that_can_help(message: str, status: str) -> None:
    assert job(run(state="FAILED", message=message)).status == status


def test_the_next_run_belongs_to_the_job_and_keeps_what_was_asked() -> None:
    first = run(tags=["reference:7", "by:shop", "host:x"])
    assert job(first).tags_of_next() == [
        "output:/o/t.glb", "reference:7", "by:shop", "job:a", "attempt:2"
    ]  # fmt: skip
    assert (owner_of(first["tags"]), reference_of(first)) == ("shop", "7")
    assert (owner_of(run()["tags"]), reference_of(run())) == (None, None)


def test_runs_are_gathered_by_job_and_put_in_order() -> None:
    other = run() | {"id": "b"}
    jobs = jobs_of([run(10), run(), other, run(2)], 3, NOW)
    assert [j.id for j in jobs] == ["a", "b"]
    assert [r["id"] for r in jobs[0].attempts] == ["a", "a2", "a10"]


def test_a_status_is_looked_for_among_all_first_runs_that_may_have_it() -> None:
    """A first run that crashed may belong to a job of any status: others ran in its stead."""
    assert states_of(None) == []
    assert states_of("completed") == ["COMPLETED", "CRASHED", "FAILED"]
    assert states_of("queued") == ["CRASHED", "FAILED", "PAUSED", "PENDING", "SCHEDULED"]
    assert "CANCELLED" in states_of("failed")
