"""The service against the stand-in of Prefect's HTTP API, without a socket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from deployments.api.app import create_app
from deployments.api.prefect_runs import COMPARE_TAG, TAG, PrefectRuns
from deployments.api.settings import ApiSettings
from tests.deployments.api.stand_in import Prefect

TOKEN = "a-token-of-the-tests"
JSON = {"Content-Type": "application/json"}
Use = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]


def runs_on(
    prefect: Prefect, settings: ApiSettings, deployment: str | None = None, tag: str = TAG
) -> PrefectRuns:
    """The runs of a deployment on the stand-in."""
    return PrefectRuns(settings, deployment, tag, httpx.MockTransport(prefect.respond))


async def client_of(
    prefect: Prefect, settings: ApiSettings, token: str = TOKEN
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that asks the stand-in."""
    runs = runs_on(prefect, settings)
    comparing = runs_on(prefect, settings, settings.compare_deployment, COMPARE_TAG)
    app = create_app(settings, runs, comparing)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", headers=headers
    ) as client:
        yield client
    await runs.close()
    await comparing.close()


def write_result_of(
    run: str,
    tmp_path: Path,
    glb: bytes = b"glTF and more",
    verdict: dict[str, Any] | None = None,
    beside: dict[str, bytes] | None = None,
) -> dict[str, Any]:
    """What a run writes; without anything beside it as releases did that told no digests."""
    metadata = {
        **(verdict or {}),
        "metadata_path": str(tmp_path / "out" / "tyre.json"),
        "num_vertices": 3,
        "run_id": run,
        "glb_sha256": hashlib.sha256(glb).hexdigest(),
    }
    others = {f"tyre.{name}": content for name, content in (beside or {}).items()}
    if beside is not None:
        told = {**others, "tyre.glb": glb}
        metadata["files"] = {n: hashlib.sha256(c).hexdigest() for n, c in told.items()}
    for name, content in others.items():
        (tmp_path / "out" / name).write_bytes(content)
    (tmp_path / "out" / "tyre.json").write_text(json.dumps(metadata))
    (tmp_path / "out" / "tyre.glb").write_bytes(glb)
    return metadata
