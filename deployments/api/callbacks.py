"""Telling a backend that its job has ended: signed, repeated until it is heard, by this service.

That a job's end is still to be told stands in a tag of the job's run, and where to in a label, so
that neither a restart of the service nor the death of the run loses it. A backend may be told
twice, where the service dies between the telling and the note of it.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import json
import logging
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from deployments.api.attempts import ENDED
from deployments.api.callback_rules import (
    DELIVERED,
    GIVEN_UP,
    LABEL,
    PENDING,
    PORTS,
    check_callback,
    is_public,
)
from deployments.api.errors import ApiError
from deployments.api.jobs import Jobs
from deployments.api.models import JobStatus
from deployments.api.prefect_runs import PrefectRuns
from deployments.api.settings import ApiSettings

SIGNATURE = "Tyre3D-Signature"
"""``t=<seconds since 1970>,v1=<hex>``: HMAC-SHA256 over ``<seconds>.<body>``; one v1 a secret."""
DELIVERY = "Tyre3D-Delivery"
"""The job's id: what arrives twice bears the same."""
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_ANSWERS_WITHIN_S = 10.0
_AT_ONCE = 8
_BEGUN_WITHIN_S = 10.0
"""A look begins no telling later than that, so that the next one comes soon."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 3600.0
_log = logging.getLogger("tyre3d.api")

Resolve = Callable[[str, int], Awaitable[list[str]]]


def signature(body: bytes, seconds: int, secrets: list[str]) -> str:
    """The value of the header ``Tyre3D-Signature``.

    Args:
        body: What is sent.
        seconds: The time, since 1970.
        secrets: Each signs.
    """
    text = f"{seconds}.".encode() + body
    signed = [hmac.new(s.encode(), text, hashlib.sha256).hexdigest() for s in secrets]
    return ",".join([f"t={seconds}", *(f"v1={value}" for value in signed)])


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host.

    Raises:
        OSError: There are none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def _address_of(run: Mapping[str, Any]) -> str:
    return str((run.get("labels") or {}).get(LABEL, ""))


@functools.cache
def _trusted_authorities() -> ssl.SSLContext:
    """Read once for all clients: it takes 30 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Callbacks:
    """Tells backends of the end of their jobs.

    Args:
        runs: The runs of the deployment.
        jobs: Their statuses.
        settings: Hosts, secrets, and how long it is tried.
        resolve: Finds the addresses of a host.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        runs: PrefectRuns,
        jobs: Jobs,
        settings: ApiSettings,
        resolve: Resolve = resolve,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._jobs = jobs
        self._settings = settings
        self._resolve = resolve
        self._clock = clock
        self._tries: dict[str, tuple[int, float]] = {}
        """By job: failed tries, and when the next is due, by the clock."""
        self._busy: set[str] = set()
        # neither proxies of the environment nor redirections: the address is the one looked at
        self._http = httpx.AsyncClient(
            trust_env=False,
            verify=_trusted_authorities(),
            follow_redirects=False,
            timeout=_ANSWERS_WITHIN_S,
            # a connection was made for one name: another host at the same address has its own
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def report_ended(self, now: datetime | None = None) -> int:
        """Tell of all jobs that have ended and of which it is time to tell.

        Args:
            now: The time; unset: as Prefect's server tells it.

        Returns:
            How many were heard.
        """
        ended = await self._runs.all_with_tags([PENDING], _FINAL)
        limits: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_AT_ONCE)
        )
        silent: set[str] = set()
        until = self._clock() + _BEGUN_WITHIN_S

        async def one(run: dict[str, Any]) -> bool:
            host = urlsplit(_address_of(run)).netloc
            async with limits[host]:
                # the next look goes on with it; other hosts do not wait for one that is slow
                if host in silent or self._clock() > until:
                    return False
                return await self._report(run, now or self._runs.now(), silent)

        due = [run for run in ended if self._is_due(run["id"])]
        return sum(await asyncio.gather(*(one(run) for run in due)))

    def _is_due(self, job: str) -> bool:
        return job not in self._busy and self._tries.get(job, (0, 0.0))[1] <= self._clock()

    async def _report(self, run: dict[str, Any], now: datetime, silent: set[str]) -> bool:
        job, address = str(run["id"]), _address_of(run)
        with self._at_it(job):
            status = await self._jobs.status(UUID(job), None)
            if status.status not in ENDED:
                return False  # it is about to be started again
            why, heard = await self._unreachable(status), True
            if why is None:
                why, heard = await self._send(address, status)
            if not heard:
                silent.add(urlsplit(address).netloc)
            if why is None:
                await self._runs.retag(run, PENDING, DELIVERED)
                self._tries.pop(job, None)
                return True
            failed = self._tries.get(job, (0, 0.0))[0] + 1
            pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(failed - 1, 20), _LONGEST_PAUSE_S)
            self._tries[job] = (failed, self._clock() + pause_s)
            about = {"job": job}
            _log.warning(
                "job %s: its end could not be told (%s), try %d", job, why, failed, extra=about
            )
            within = timedelta(seconds=self._settings.callback_within_s)
            if status.finished_at is not None and now - status.finished_at > within:
                await self._runs.retag(run, PENDING, GIVEN_UP)
                self._tries.pop(job, None)
                _log.error("job %s: its end is not told any more", job, extra=about)
        return False

    async def _unreachable(self, status: JobStatus) -> str | None:
        """Why nothing can be told of what a job made, its verdict among it; None where it can."""
        if status.status == "completed" and not status.result_is_there:
            try:
                await self._jobs.check_reach(status.job_id)
            except ApiError as exc:
                if exc.status == 503:
                    return exc.message
                raise
        return None

    @contextmanager
    def _at_it(self, job: str) -> Iterator[None]:
        self._busy.add(job)
        try:
            yield
        finally:
            self._busy.discard(job)

    async def _send(self, url: str, status: JobStatus) -> tuple[str | None, bool]:
        """Send it.

        Returns:
            Why it was not taken, None if it was; and whether the host answered.
        """
        kind: Literal["job.completed", "job.failed"] = (
            "job.completed" if status.status == "completed" else "job.failed"
        )
        job = status.model_dump(mode="json", exclude={"metadata", "eta_s"})
        body = json.dumps({"event": kind, "job": job}).encode()
        # by the server's clock, as all times in the body: this machine's may be wrong for a while
        parts, seconds = urlsplit(url), int(self._runs.now().timestamp())
        try:
            check_callback(url, self._settings)  # the settings may have changed meanwhile
            host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
            async with asyncio.timeout(2 * _ANSWERS_WITHIN_S):
                addresses = await self._resolve(host, port)
                if not self._settings.callback_private and not all(map(is_public, addresses)):
                    return "its host has a private address", True
                request = self._http.build_request(
                    "POST",
                    # the address that was looked at, whatever the name says a moment later
                    httpx.URL(url).copy_with(host=addresses[0]),
                    content=body,
                    headers={
                        "Host": parts.netloc,
                        "Content-Type": "application/json",
                        SIGNATURE: signature(body, seconds, self._settings.callback_secrets),
                        DELIVERY: str(status.job_id),
                    },
                    extensions={"sni_hostname": host},
                )
                answer = await self._http.send(request, stream=True)
                await answer.aclose()
        except ApiError as exc:
            return exc.message, True
        except (OSError, ValueError, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as exc:
            return type(exc).__name__, False
        return None if answer.is_success else f"the answer was {answer.status_code}", True
