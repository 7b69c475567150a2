"""Failures read from exceptions and from Prefect's states."""

from __future__ import annotations

import errno

from tasks.core.errors import ResourceError
from tasks.core.failures import BUG_ADVICE, failure_of_error, failure_of_state, why_of


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
    raised = failure_of_state("FAILED", "Flow run encountered an exception: ValueError: x")
    assert raised == failure_of_error(ValueError("x"))
    assert raised.message == f"ValueError: x. {BUG_ADVICE}"


def test_a_run_that_a_worker_of_another_release_took_is_no_fault_of_ours() -> None:
    """As after a release was taken back, while what the newer one was asked still waited."""
    said = "ParameterTypeError: Flow run received invalid parameters:\n - request.input_roots: no"
    told = failure_of_state("FAILED", f"Validation of flow parameters failed with error: {said}")
    assert (told.code, told.stage, told.retryable) == ("release-differs", "start", False)
    assert "parameters: - request.input_roots: no. The worker's release" in told.message


def test_a_disk_that_refuses_is_no_fault_of_ours() -> None:
    failure = failure_of_error(OSError(errno.EROFS, "Read-only file system", "/out"))
    assert failure.code == "storage-denied"
    assert "/out" in failure.message


def test_why_is_told_in_sentences_with_their_codes() -> None:
    failed = {"code": "video-empty", "stage": "extract", "message": "a is empty. Film again"}
    assert why_of(failed, [], []) == ("[video-empty] extract: a is empty. Film again",)
    crashed = failure_of_state("CRASHED", None).to_dict()
    assert why_of(crashed, [], []) == ("[crashed] The process of the run ended before the run did",)
    assert why_of(None, ["a", "b"], ["A is", "B is"]) == ("[a] A is", "[b] B is")
    assert why_of(None, ["a"], []) == ("a",), "of an earlier release"
