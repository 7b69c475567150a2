"""How many requests a client may send: so many a second, twice as many at once."""

from __future__ import annotations

import math
from collections.abc import Callable

from deployments.api.errors import ApiError

_AT_ONCE_S = 2.0
_ROUNDING_S = 1e-9
_MOST = 1000
"""Clients from which on those that have been quiet are forgotten."""


class Rate:
    """Counts the requests of each client as a bucket that fills steadily.

    Args:
        per_s: Requests a second; 0: as many as come.
        clock: Seconds that only grow.
    """

    def __init__(self, per_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._full: dict[str, float] = {}
        """By client: the time from which on its bucket is full."""

    def take(self, client: str) -> None:
        """Count a request.

        Raises:
            ApiError: 429 where the client has sent too many.
        """
        if self._per_s == 0:
            return
        now = self._clock()
        if len(self._full) > _MOST:
            self._full = {name: at for name, at in self._full.items() if at > now}
        full = max(self._full.get(client, now), now) + 1.0 / self._per_s
        if full - now > _AT_ONCE_S + _ROUNDING_S:
            wait_s = math.ceil(full - now - _AT_ONCE_S)
            message = f"Too many requests, at most {self._per_s:g} a second: ask again later"
            raise ApiError(429, "too-many-requests", message, retry_after_s=wait_s)
        self._full[client] = full
