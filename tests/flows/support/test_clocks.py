"""A clock that is not the server's: told, and no runs are taken by it."""

from __future__ import annotations

import asyncio
import logging
import warnings
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from prefect.workers.process import ProcessWorker

from flows.support.clocks import in_words, seconds_ahead
from flows.support.doctor import _of_clock

with warnings.catch_warnings():  # it stands in the place of Prefect's own
    warnings.filterwarnings("ignore", message="Type 'DrainingWorker'")
    from flows.support.worker import DrainingWorker

NOW = datetime(2026, 11, 30, 5, 0, 0, 300_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked_s", "answered_s", "ahead_s"),
    [
        (0.0, 0.2, 0.0),
        (0.6, 0.6, 0.0),  # dates are in whole seconds
        (-3.0, 40.0, 0.0),  # an answer that took long
        (3600.7, 3601.7, 3600.0),
        (-7201.3, -7200.3, -7200.0),
    ],
)
def test_what_a_date_tells_of_a_clock(asked_s: float, answered_s: float, ahead_s: float) -> None:
    before, after = (NOW + timedelta(seconds=s) for s in (asked_s, answered_s))
    date = format_datetime(NOW, usegmt=True)
    assert seconds_ahead(date, before, after) == pytest.approx(ahead_s)


def test_a_worker_takes_no_runs_by_a_wrong_clock(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Client:
        off: timedelta | None = timedelta()

        async def request(self, method: str, path: str) -> httpx.Response:
            assert (method, path) == ("GET", "/health")
            if self.off is None:
                raise httpx.ConnectError("away")
            date = format_datetime(datetime.now(UTC) - self.off, usegmt=True)
            return httpx.Response(200, headers={"Date": date})

    async def taken(_: object) -> list[Any]:
        return ["a run"]

    client = Client()
    monkeypatch.setattr(ProcessWorker, "get_and_submit_flow_runs", taken)
    monkeypatch.setattr(DrainingWorker, "client", client)
    worker = DrainingWorker(work_pool_name="cpu")
    hours = timedelta(hours=2)
    with caplog.at_level(logging.INFO, logger="tyre3d.worker"):
        for off in (timedelta(), hours, None, -hours, -hours, timedelta(seconds=20)):
            client.off = off
            runs = asyncio.run(worker.get_and_submit_flow_runs())
            assert runs == ([] if off is None or abs(off) == hours else ["a run"])
    told = [record.message for record in caplog.records if record.name == "tyre3d.worker"]
    assert [line.partition(":")[2] for line in told] == [
        " no runs are taken until it is right",
        " runs are taken",
    ]
    assert "ahead of that of Prefect's server" in told[0]


def test_doctor_tells_of_the_clock() -> None:
    assert _of_clock(20.0).level == "ok"
    check = _of_clock(-3600.0)
    assert check.level == "problem"
    assert check.found == in_words(-3600.0)
    assert "3600 s behind" in check.found
