"""Paths with and without the version are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.deployments.api.service import Use
from tests.deployments.api.stand_in import Prefect


def test_a_job_is_the_same_under_both_paths(
    use: Callable[[Use], None], prefect: Prefect, body: dict[str, Any]
) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "order-17"}
        old = await api.post("/reconstruct", json=body, headers=key)
        new = await api.post("/v1/reconstruct", json=body, headers=key)
        assert (old.status_code, new.status_code) == (202, 202)
        assert old.json() == new.json()
        job = old.json()["job_id"]
        assert old.headers["Location"] == f"/reconstruct/status/{job}"
        assert new.headers["Location"] == f"/v1/reconstruct/status/{job}"
        assert (await api.get(new.headers["Location"])).json()["job_id"] == job
        uploaded = await api.put("/v1/uploads/a.mp4", content=b"x" * 100_000)
        assert uploaded.status_code == 201, "the bound of other bodies is smaller"
        assert (await api.get("/v1/live")).status_code == 200
        del api.headers["Authorization"]
        assert (await api.get("/v1/health")).status_code == 200
        for path in ("/v1/reconstruct", "/v1/v1/reconstruct", "/v1/v1/health", "/v1", "/v1/"):
            assert (await api.get(path)).status_code == 401, path

    use(test)


def test_the_schema_names_both(use: Callable[[Use], None]) -> None:
    async def test(api: httpx.AsyncClient) -> None:
        schemas = [(await api.get(f"{base}/openapi.json")).json() for base in ("", "/v1")]
        assert schemas[0] == schemas[1]
        assert [server["url"] for server in schemas[0]["servers"]] == ["/v1", "/"]
        assert not any(path.startswith("/v1") for path in schemas[0]["paths"])

    use(test)
