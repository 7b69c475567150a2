"""Why a run of this process has no result."""

from __future__ import annotations

import pytest
from prefect.states import Cancelled, Crashed, Failed

from flows.support.states import failure_of_run
from tasks.core.errors import InputError, StorageError, Tyre3dError
from tasks.core.failures import failure_of_error


@pytest.mark.parametrize(
    "error",
    [
        InputError("video-empty", stage="extract", what="a.mp4 is empty", advice="Copy it again"),
        StorageError("disk-full", stage="merge", what="no space", advice="Free some"),
    ],
)
def test_an_error_of_ours_is_told_as_it_was_raised(error: Tyre3dError) -> None:
    """Whatever words the state has for it."""
    failure = failure_of_run(Failed(data=error, message="Flow run encountered an exception"))
    assert failure == failure_of_error(error)
    assert failure.retryable == error.retryable


def test_of_other_errors_the_state_tells() -> None:
    failure = failure_of_run(Failed(data=KeyError("x"), message="KeyError: 'x'"))
    assert failure.code == "internal"
    assert "KeyError" in failure.message


@pytest.mark.parametrize(("make", "code"), [(Crashed, "crashed"), (Cancelled, "cancelled")])
def test_a_run_without_an_error_has_the_code_of_its_state(make: object, code: str) -> None:
    state = make(message="gone", data=RuntimeError("gone"))  # type: ignore[operator]
    assert failure_of_run(state).code == code
