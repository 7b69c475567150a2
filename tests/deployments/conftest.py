"""Postgres and Redis, where there are any (TYRE3D_TEST_POSTGRES, TYRE3D_TEST_REDIS)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import yaml

from tests.deployments.stack import ROOT

POSTGRES = os.environ.get("TYRE3D_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TYRE3D_TEST_REDIS", "redis://127.0.0.1:6379/15")


async def _postgres(statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(POSTGRES, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database of its own, as Prefect names it."""
    name = f"tyre3d_test_{uuid4().hex[:12]}"
    try:
        asyncio.run(_postgres(f"CREATE DATABASE {name}"))
    except Exception as exc:  # noqa: BLE001  whatever the reason, there is none to use
        pytest.skip(f"no Postgres to be used at {urlsplit(POSTGRES).hostname}: {exc!r}")
    root = POSTGRES.replace("postgresql://", "postgresql+asyncpg://").rpartition("/")[0]
    yield f"{root}/{name}"
    asyncio.run(_postgres(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis database that nobody else uses."""
    redis = pytest.importorskip("redis")
    pytest.importorskip("prefect_redis")
    client = redis.Redis.from_url(REDIS, socket_timeout=10)
    try:
        used = client.dbsize()
    except redis.RedisError as exc:
        pytest.skip(f"no Redis to be used at {urlsplit(REDIS).hostname}: {exc!r}")
    if used:
        pytest.skip(f"the Redis database {REDIS} is in use")
    yield REDIS
    client.flushdb()
    client.close()


@pytest.fixture(scope="module")
def shipped() -> dict[str, str]:
    """How the server of the compose file handles events."""
    compose = yaml.safe_load((ROOT / "deployments" / "docker" / "compose.yaml").read_text())
    told = compose["services"]["server"]["environment"]
    kept = {k: str(v) for k, v in told.items() if k.startswith("PREFECT_SERVER_EVENTS")}
    assert len(kept) >= 3
    return kept


@pytest.fixture(scope="module")
def scaled(database: str, redis_url: str, shipped: dict[str, str]) -> dict[str, str]:
    """The server's settings in the compose file, on this machine's Postgres and Redis."""
    place = urlsplit(redis_url)
    here = {
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_REDIS_MESSAGING_HOST": str(place.hostname),
        "PREFECT_REDIS_MESSAGING_PORT": str(place.port or 6379),
        "PREFECT_REDIS_MESSAGING_DB": place.path.strip("/") or "0",
        "PREFECT_SERVER_DOCKET_URL": redis_url,
    }
    return {**shipped, **here}
