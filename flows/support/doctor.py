"""What an installation lacks: every check says what it found and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from configs.presets import DEFAULT_SESSION, FEATURES
from configs.settings import Settings
from flows.support.clocks import MOST_OFF_S, in_words, seconds_ahead
from flows.support.machine import locations_of
from flows.support.settings import unknown_variables
from tasks.core.errors import Tyre3dError
from tasks.core.phrasing import counted

Level = Literal["ok", "warning", "problem"]
_POOLS = ("cpu", "batch")
"""Pools without which nothing is made; ``gpu`` is for those who want it."""
_TOO_FEW_BYTES = 2e9
_OLDEST_PYTHON = (3, 11)
_PROXY_WITHIN_S = 3.0
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Check:
    """What one look found.

    Args:
        name: What was looked at.
        level: ``problem`` where something will fail.
        found: What was found.
        advice: What to do; empty where nothing is.
    """

    name: str
    level: Level
    found: str
    advice: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain JSON types."""
        return asdict(self)


def examine(settings: Settings, ask_server: Callable[[], Iterator[Check]]) -> list[Check]:
    """All checks of this machine.

    Args:
        settings: Settings of this installation.
        ask_server: Looks at Prefect's server, pools and workers.
    """
    looks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("versions", check_versions),
        ("settings", lambda: check_variables(os.environ)),
        ("weights", lambda: check_weights(settings)),
        ("device", lambda: check_device(settings)),
        ("storage", lambda: check_storage(settings)),
        ("disk", lambda: check_disks(settings)),
        ("proxy", lambda: check_proxies(dict(os.environ))),
        ("server", ask_server),
    ]
    found: list[Check] = []
    for name, look in looks:
        try:
            found += look()
        except Tyre3dError as exc:
            found.append(Check(name, "problem", f"[{exc.code}] {exc.what}", exc.advice))
        except Exception as exc:  # noqa: BLE001  the other looks are worth having
            what = f"{type(exc).__name__}: {exc}"
            found.append(Check(name, "problem", what, "This could not be looked at: report it"))
    return found


def check_versions() -> Iterator[Check]:
    """Python, this package, and the packages that it pins."""
    here = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Check("python", "problem", here, "Install Python 3.11 or newer")
    else:
        yield Check("python", "ok", here)
    wrong = []
    for text in requires("tyre3d") or []:
        requirement, _, marker = text.partition(";")
        name, _, release = (part.strip() for part in requirement.partition("=="))
        if release and "extra" not in marker:
            here_is = _version(name)
            if here_is is None or here_is.partition("+")[0] != release:
                wrong.append(f"{name} {here_is or 'missing'} instead of {release}")
    versions = (
        f"tyre3d {version('tyre3d')}, prefect {_version('prefect')}, torch {_version('torch')}"
    )
    if wrong:
        yield Check("packages", "problem", "; ".join(wrong), "Install by the lock: make setup")
    else:
        yield Check("packages", "ok", versions)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_variables(environment: Mapping[str, str]) -> Iterator[Check]:
    """Variables that look like settings are settings."""
    unknown = unknown_variables(environment)
    for line in unknown:
        found, _, advice = line.partition("; ")
        yield Check("settings", "warning", found, f"{advice[0].upper()}{advice[1:]}")
    if not unknown:
        yield Check("settings", "ok", "all variables are known")


def check_weights(settings: Settings) -> Iterator[Check]:
    """The weights that a run without options needs, with their digests."""
    from tasks.network.weights import background_weights, choose_model, feature_weights

    model = choose_model(None, settings.models_dir)
    yield Check("model", "ok", f"{model.name} ({model.reason})")
    background_weights(DEFAULT_SESSION, settings.models_dir)
    yield Check("background removal", "ok", DEFAULT_SESSION)
    try:
        missing = feature_weights(settings.models_dir) is None
    except Tyre3dError as exc:
        yield Check("features", "warning", f"[{exc.code}] {exc.what}", exc.advice)
        return
    if missing:
        found = f"{FEATURES} is not here: films in which SIFT finds too little fail"
        yield Check("features", "warning", found, f"tyre3d models fetch {FEATURES}")
    else:
        yield Check("features", "ok", FEATURES)


def check_device(settings: Settings) -> Iterator[Check]:
    """The device that networks run on."""
    from tasks.network.device import pick_device

    yield Check("device", "ok", pick_device(settings.device))


def check_storage(settings: Settings) -> Iterator[Check]:
    """Artifacts can be written, read and deleted where they go, and scratch files here."""
    from tasks.storage.open import open_storage

    roots: dict[str, str | Path] = {"artifacts": settings.storage_root}
    roots["scratch files"] = settings.scratch_dir
    for name, root in roots.items():
        location = root if "://" in str(root) else Path(root)
        storage, key = open_storage(location, settings), f".{uuid.uuid4().hex}.part"
        storage.write({key: b"tyre3d doctor"})
        try:
            if storage.get(key) != b"tyre3d doctor":
                what = f"{root}: what was written is not what is read"
                yield Check(name, "problem", what, "Look at this storage; do not use it")
                continue
        finally:
            storage.delete(key)
        yield Check(name, "ok", str(root))


def check_disks(settings: Settings) -> Iterator[Check]:
    """Space where this machine writes."""
    for folder in sorted(set(locations_of(settings).values())):
        free = shutil.disk_usage(_existing(folder)).free
        message = f"{free / 1e9:.1f} GB are free for {folder}"
        advice = "tyre3d prune --older-than 30d, or a larger disk (TYRE3D_HOME, TYRE3D_STORAGE)"
        if free < _TOO_FEW_BYTES:
            yield Check("disk", "problem", message, advice)
        elif free < 1e9 * settings.disk_low_gb:
            yield Check("disk", "warning", message, advice)
        else:
            yield Check("disk", "ok", message)


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def check_proxies(environment: dict[str, str]) -> Iterator[Check]:
    """Proxies of the environment can be used, and the server is asked directly where it is near."""
    proxies = {name: environment[name] for name in _PROXIES if environment.get(name)}
    if not proxies:
        yield Check("proxy", "ok", "none")
        return
    for name, value in sorted(proxies.items()):
        if "://" not in value:
            advice = f"Write {name}=http://{value}"
            yield Check("proxy", "problem", f"{name} has no scheme", advice)
        elif not _listens(value):
            found = f"{name}: nothing answers at {_without_password(value)}"
            advice = (
                f"Mend or unset {name}: weights and S3 are not reached; local runs need neither"
            )
            yield Check("proxy", "warning", found, advice)
        else:
            yield Check("proxy", "ok", f"{name} is set; this machine's own servers are exempt")
    server = environment.get("PREFECT_API_URL", "")
    exempt = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    host = server.partition("://")[2].partition("/")[0].partition(":")[0]
    if host and not any(host.endswith(e.strip().lstrip(".")) for e in exempt.split(",") if e):
        found = f"Prefect's server {host} is asked through it"
        yield Check("proxy", "warning", found, f"If it is near, add {host} to NO_PROXY")


def _listens(address: str) -> bool:
    """Whether a connection to a proxy can be made."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"https": 443, "socks5": 1080, "socks5h": 1080}.get(parts.scheme, 80)
        with socket.create_connection((parts.hostname or "", port), timeout=_PROXY_WITHIN_S):
            return True
    except (OSError, ValueError):
        return False


def _without_password(address: str) -> str:
    return f"{address.partition('://')[0]}://{address.partition('://')[2].rpartition('@')[2]}"


def check_server() -> Iterator[Check]:
    """Prefect's server answers and takes the password; pools are there and have workers."""
    from flows.cli.local_server import check_server as check
    from flows.cli.local_server import configured
    from flows.support.own_server import own_server, use_own_password

    # one that ended is none: what was its address is nobody's mistake
    if not configured() and own_server(alive=True) is None:
        found = "none runs: commands start one of their own, workers and the API need one"
        yield Check("server", "warning", found, "tyre3d ui, or set PREFECT_API_URL")
        return
    use_own_password()
    check()
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    online = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE]))
    with get_client(sync_client=True) as client:
        yield Check("server", "ok", str(client.api_url))
        yield _of_version(str(client.api_version()))
        before = datetime.now(UTC)
        date = client.request("GET", "/health").headers["Date"]
        yield _of_clock(seconds_ahead(date, before, datetime.now(UTC)))
        pools = {pool.name: pool for pool in client.read_work_pools()}
        for name in (*_POOLS, *(["gpu"] if "gpu" in pools else [])):
            pool = pools.get(name)
            if pool is None:
                yield Check(f"pool {name}", "problem", "is not there", "make deploy")
            elif pool.is_paused:
                advice = f"tyre3d drain {name} --resume"
                yield Check(f"pool {name}", "problem", "is paused: it takes no runs", advice)
            else:
                yield _of_workers(name, client.read_workers_for_work_pool(name, online))


def _of_version(theirs: str) -> Check:
    ours = version("prefect")
    if theirs == ours:
        return Check("server's version", "ok", theirs)
    found = f"the server is Prefect {theirs}, this machine has {ours}"
    return Check("server's version", "warning", found, "Bring both to the same release")


def _of_clock(ahead_s: float) -> Check:
    if abs(ahead_s) <= MOST_OFF_S:
        return Check("clock", "ok", "as Prefect's server has it")
    return Check("clock", "problem", in_words(ahead_s), "Set it by NTP: workers here take no runs")


def _of_workers(pool: str, workers: list[Any]) -> Check:
    if workers:
        online = counted(len(workers), "worker is online", "workers are online")
        return Check(f"pool {pool}", "ok", online)
    found, advice = "no worker is online: runs wait", f"tyre3d worker {pool}"
    if pool == "gpu":  # only some want it
        return Check(f"pool {pool}", "warning", found, f"If it is used: {advice}")
    return Check(f"pool {pool}", "problem", found, advice)
