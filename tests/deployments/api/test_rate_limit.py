"""Buckets of requests that fill as time is told to pass."""

from __future__ import annotations

import pytest

from deployments.api import rate_limit
from deployments.api.errors import ApiError
from deployments.api.rate_limit import Rate


def test_a_bucket_of_requests_fills_steadily() -> None:
    now = 0.0
    rate = Rate(10.0, lambda: now)

    def taken(client: str) -> int:
        for number in range(100):
            try:
                rate.take(client)
            except ApiError:
                return number
        return 100

    assert (taken("a"), taken("a"), taken("b")) == (20, 0, 20)
    now = 1.05
    assert (taken("a"), taken("b")) == (10, 10)
    now = 1000.0
    assert taken("a") == 20
    assert Rate(0.0, lambda: now).take("a") is None


def test_who_is_refused_is_told_from_when_on_a_request_is_taken() -> None:
    now = 100.0
    rate = Rate(0.25, lambda: now)  # one in four seconds, none at once beside it
    with pytest.raises(ApiError) as caught:
        rate.take("a")
    assert (caught.value.status, caught.value.code) == (429, "too-many-requests")
    assert caught.value.retry_after_s == 2
    rate = Rate(2.0, lambda: now)
    for _ in range(4):
        rate.take("a")
    with pytest.raises(ApiError) as caught:
        rate.take("a")
    assert caught.value.retry_after_s == 1
    now += 1.0
    rate.take("a")
    rate.take("a")
    with pytest.raises(ApiError, match="at most 2 a second"):
        rate.take("a")


def test_clients_that_have_been_quiet_are_forgotten_and_the_busy_ones_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or whoever names ever new ones would fill the memory."""
    monkeypatch.setattr(rate_limit, "_MOST", 3)
    now = 0.0
    rate = Rate(1.0, lambda: now)
    for name in "abc":
        rate.take(name)
    now = 0.5
    rate.take("busy")
    rate.take("busy")
    now = 2.0
    rate.take("new")
    assert set(rate._full) == {"busy", "new"}
    with pytest.raises(ApiError):
        [rate.take("busy") for _ in range(3)]
