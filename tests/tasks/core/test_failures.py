"""Failures read from exceptions and from Prefect's states."""

from __future__ import annotations

from tasks.core.errors import ResourceError
from tasks.core.failures import failure_of_error, failure_of_state


def test_an_error_and_the_message_of_its_state_are_the_same_failure() -> None:
    error = ResourceError("out-of-memory", stage="infer", what="too big", advice="Wait: retry")
    words_of_prefect = f"Flow run encountered an exception: ResourceError: {error}"
    for message in (str(error), words_of_prefect):
        assert failure_of_state("FAILED", message) == failure_of_error(error)
    assert failure_of_state("FAILED", f"see {error}").code == "internal"
    assert failure_of_error(error).to_dict() == {
        "code": "out-of-memory",
        "stage": "infer",
        "message": "too big. Wait: retry",
    }


def test_a_run_that_ended_otherwise_has_a_code_too() -> None:
    assert failure_of_state("CRASHED", "signal 9").code == "crashed"
    assert "signal 9" in failure_of_state("CRASHED", "signal 9").message
    assert failure_of_state("CRASHED", None).retryable
    assert failure_of_state("CANCELLED", "x").code == "cancelled"
    assert failure_of_state("FAILED", None).code == "internal"
    assert failure_of_error(ValueError("x")).code == "internal"
    assert not failure_of_error(ValueError("x")).retryable
