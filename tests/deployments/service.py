"""The service against the stand-in of Prefect's HTTP API, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from deployments.api.app import create_app
from deployments.api.prefect_runs import PrefectRuns
from deployments.api.settings import ApiSettings
from tests.deployments.stand_in import Prefect

TOKEN = "a-token-of-the-tests"


async def runs_on(prefect: Prefect, settings: ApiSettings) -> PrefectRuns:
    """The runs on the stand-in."""
    runs = PrefectRuns(settings)
    await runs._http.aclose()
    runs._http = httpx.AsyncClient(
        base_url=settings.prefect_url, transport=httpx.MockTransport(prefect.respond)
    )
    return runs


async def client_of(
    prefect: Prefect, settings: ApiSettings, token: str = TOKEN
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that asks the stand-in."""
    runs = await runs_on(prefect, settings)
    transport = httpx.ASGITransport(create_app(settings, runs), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", headers=headers
    ) as client:
        yield client
    await runs.close()
