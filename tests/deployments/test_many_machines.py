"""Postgres and Redis behind two Prefect servers, their services apart, workers on either.

The settings are those of ``deployments/docker/compose.yaml``. Postgres and Redis are taken where
they are found (TYRE3D_TEST_POSTGRES, TYRE3D_TEST_REDIS); without them the test is skipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import yaml

from tests.conftest import write_cut_outs
from tests.deployments.stack import (
    ROOT,
    Stack,
    free_port,
    is_whole,
    parent_of,
    process_of,
    until,
)

pytestmark = pytest.mark.services
POSTGRES = os.environ.get("TYRE3D_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TYRE3D_TEST_REDIS", "redis://127.0.0.1:6379/15")
TYRES = 4


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


def _shipped(database: str, redis_url: str) -> dict[str, str]:
    """The server's settings in the compose file, on this machine's Postgres and Redis."""
    compose = yaml.safe_load((ROOT / "deployments" / "docker" / "compose.yaml").read_text())
    shipped = compose["services"]["server"]["environment"]
    place = urlsplit(redis_url)
    here = {
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_REDIS_MESSAGING_HOST": str(place.hostname),
        "PREFECT_REDIS_MESSAGING_PORT": str(place.port or 6379),
        "PREFECT_REDIS_MESSAGING_DB": place.path.strip("/") or "0",
        "PREFECT_SERVER_DOCKET_URL": redis_url,
    }
    kept = {k: str(v) for k, v in shipped.items() if k.startswith("PREFECT_SERVER_EVENTS")}
    assert len(kept) >= 3
    return {**kept, **here}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, database: str, redis_url: str
) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("machines"), **_shipped(database, redis_url))
    try:
        stack.start_server("server-1", "--no-services")
        stack.start("services", "prefect", "server", "services", "start")
        stack.deploy("--silence-s", "70")
        yield stack
    finally:
        stack.stop_all()


def test_a_batch_over_two_servers_outlives_a_server_and_a_dead_machine(stack: Stack) -> None:
    other = f"http://127.0.0.1:{free_port()}/api"
    stack.start_server("server-2", "--no-services", url=other)
    stack.start_worker("machine-1", "cpu", PREFECT_API_URL=other)
    videos, out = stack.folder / "in", stack.folder / "out"
    names = [f"tyre{number}" for number in range(TYRES)]
    for number, name in enumerate(names):
        write_cut_outs(videos / name, range(6), mark=number)
    stack.start_batch("batch", videos, out, *stack.cheap)
    wanted = [f"reconstruct-{name}" for name in names]
    run = until("a run", lambda: stack.running(*wanted) if stack.alive("batch") else None)

    # a machine goes dark: the process, its worker and the server that they talked to, all at once
    child = process_of(run)
    worker = parent_of(child)
    os.kill(worker, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    stack.processes.pop("machine-1").wait()
    stack.stop("server-2", signal.SIGKILL)
    stack.start_worker("machine-2", "cpu")
    stack.start_worker("machine-3", "cpu")

    assert stack.end("batch") == 0, stack.log("batch")
    entries = {e["name"]: e for e in json.loads((out / "batch.json").read_text())["tyres"]}
    attempts = {name: entry["attempts"] for name, entry in entries.items()}
    assert attempts.pop(run["name"].removeprefix("reconstruct-")) == 2
    assert set(attempts.values()) == {1}
    assert all(is_whole((out / f"{name}.glb").read_bytes()) for name in names)
    (dead,) = stack.runs(id={"any_": [run["id"]]})
    assert dead["state_type"] == "CRASHED"
    assert "No heartbeat" in dead["state"]["message"]


def test_nothing_of_it_lies_in_a_file(stack: Stack) -> None:
    """Postgres was used indeed: Prefect's own folder holds no database."""
    assert not list(Path(stack.env["PREFECT_HOME"]).rglob("*.db*"))
