"""How far this machine's clock is from that of Prefect's server, by which runs are due and watched.

By a clock that is behind runs are due later, and heartbeats that seem to come at another time do
not count, so that the server's watch calls every run Crashed which is longer than it waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

MOST_OFF_S = 60.0
"""Less than half of what the watch over runs waits for a heartbeat (``deployments/deploy.py``)."""


def seconds_ahead(date: str, before: datetime, after: datetime) -> float:
    """How far this clock is ahead of the server's, negative where behind; 0 as far as can be told.

    Args:
        date: The header ``Date`` of an answer of the server, in whole seconds.
        before: The time here before it was asked.
        after: The time here when it had answered.
    """
    server_time = parsedate_to_datetime(date)
    earliest, latest = before - (server_time + timedelta(seconds=1)), after - server_time
    off = max(earliest, timedelta()) + min(latest, timedelta())
    return off.total_seconds()


def time_of(answer: httpx.Response) -> datetime:
    """The time on the server's clock when it answered: runs that are due now are due by that."""
    return parsedate_to_datetime(answer.headers["Date"])


def in_words(ahead_s: float) -> str:
    """A difference between clocks as part of a sentence."""
    way = "ahead of" if ahead_s > 0 else "behind"
    return f"this machine's clock is {abs(ahead_s):.0f} s {way} that of Prefect's server"
