"""The commands of an operator: ``tyre3d ui``, ``worker`` and ``drain``."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shlex
import socket
import subprocess
import sys
import time
import warnings
from dataclasses import asdict

from flows.cli.commands import prepare
from flows.cli.local_server import check_home, check_server
from flows.cli.output import checks_table, pruned_in_words
from flows.support.logs import log_json, runs_log_json
from flows.support.new_database import make_own_database
from flows.support.own_server import (
    PASSWORD_FILE,
    closed,
    own_password,
    prefect_home,
    server_lock,
    use_own_password,
)
from flows.support.settings import load_settings
from tasks.core.errors import InputError, ResourceError
from tasks.core.phrasing import counted

_RETENTION = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(90 * 24 * 3600),
}
"""Runs that ended longer ago are deleted from the server's database."""


def ui(options: argparse.Namespace) -> int:
    """Become Prefect's server with its UI, closed to everyone without the password."""
    settings = load_settings()
    prepare(settings, verbose=True)
    check_home()
    origin = f"http://{options.host}:{options.port}"
    named = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    password = named or own_password()
    with server_lock(f"{origin}/api") as locked:
        if not locked:
            raise InputError(
                "server-running",
                stage="start",
                what=f"a server of {prefect_home()} runs already",
                advice="Use that one, or name another folder by PREFECT_HOME",
            )
        _check_port(options.host, options.port)
        make_own_database()
        for name, value in {**closed(password, origin), **_RETENTION, **_pages()}.items():
            os.environ.setdefault(name, value)
        os.environ["PREFECT_API_URL"] = f"{origin}/api"
        os.environ["PREFECT_API_AUTH_STRING"] = password
        sys.stderr.write(
            f"Prefect's UI, in some seconds: {origin}\n"
            f"It asks once for a password: {_whence(named)}\n"
        )
        links = [sys.executable, "-m", "flows.cli.links_process", str(settings.links_port)]
        subprocess.Popen([*links, str(os.getpid())], stdin=subprocess.DEVNULL)
        address = ["--host", options.host, "--port", str(options.port)]
        command = [sys.executable, "-m", "flows.cli.prefect_process"]
        # on a terminal Prefect would ask which of its profiles to change before it starts
        os.execv(sys.executable, [*command, "--no-prompt", "server", "start", *address])


def _whence(named: str | None) -> str:
    """Where the password is found that pages ask for, which is not put on the screen."""
    if named:
        return "the one in PREFECT_SERVER_API_AUTH_STRING"
    return f"the whole line that this shows: cat {shlex.quote(str(prefect_home() / PASSWORD_FILE))}"


def _pages() -> dict[str, str]:
    """Where Prefect unpacks the pages of its UI: by itself it writes into its own installation.

    That is of another user where the server is a service, or on a file system that is read-only.
    """
    if "PREFECT_UI_STATIC_DIRECTORY" in os.environ:  # its former name, which the other one hides
        return {}
    return {"PREFECT_SERVER_UI_STATIC_DIRECTORY": str(prefect_home() / "ui")}


def _check_port(host: str, port: int) -> None:
    """Make sure that a port can be listened on.

    Raises:
        ResourceError: ``port-taken``.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise ResourceError(
            "port-taken",
            stage="start",
            what=f"port {port} of {host} cannot be listened on ({exc.strerror})",
            advice="Name another one by --port",
        ) from exc


def prune(options: argparse.Namespace) -> int:
    """Delete artifacts that were not used for long; results are never touched."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose)
    if options.older_than is None and options.keep_size is None:
        raise InputError(
            "bad-option",
            stage="start",
            what="nothing says what may go",
            advice="Give --older-than, --keep-size or both",
        )
    from tasks.storage.artifacts import open_store
    from tasks.storage.prune import prune as prune_store

    pruned = prune_store(
        open_store(settings),
        time.time(),
        older_than_s=math.inf if options.older_than is None else options.older_than,
        keep_size=math.inf if options.keep_size is None else options.keep_size,
        dry_run=options.dry_run,
        force=options.force,
    )
    if options.json:
        sys.stdout.write(
            f"{json.dumps({**asdict(pruned), 'dry_run': options.dry_run}, indent=2)}\n"
        )
    else:
        sys.stdout.write(f"{pruned_in_words(pruned, dry_run=options.dry_run)}\n")
    return 0


def worker(options: argparse.Namespace) -> int:
    """Take runs of a pool; SIGTERM or Ctrl-C lets those that it has come to their end."""
    settings = load_settings()
    prepare(settings, verbose=True)
    use_own_password()
    check_server()
    # Prefect tells every worker's log that ours stands in the place of its own
    warnings.filterwarnings("ignore", message="Type 'DrainingWorker'")
    from flows.support.drain import check_pool
    from flows.support.machine import locations_of
    from flows.support.worker import SILENCE_S, serve

    limit = check_pool(options.pool)

    if settings.log_json:
        log_json()
        runs_log_json()
    return asyncio.run(
        serve(
            options.pool,
            options.limit or limit or 1,
            options.name,
            healthcheck=options.healthcheck,
            silence_s=options.silence_s or SILENCE_S,
            folders=locations_of(settings),
            low_bytes=1e9 * settings.disk_low_gb,
        )
    )


def drain(options: argparse.Namespace) -> int:
    """Pause a pool and wait until none of its runs is left running; or resume it."""
    prepare(load_settings(), verbose=True)
    use_own_password()
    check_server()
    from flows.support.drain import drain_pool, resume_pool

    if options.resume:
        resume_pool(options.pool)
        sys.stdout.write(f"{options.pool}: takes runs again\n")
        return 0
    left = drain_pool(options.pool, options.within_s)
    if left:
        still = counted(left, "run still runs", "runs still run")
        sys.stdout.write(f"{options.pool}: paused; {still}\n")
        return 1
    sys.stdout.write(f"{options.pool}: paused; nothing runs\n")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say what this installation lacks; the exit code is 0 only if nothing will fail."""
    settings = load_settings()
    prepare(settings, verbose=options.verbose)
    from flows.support.doctor import check_server as ask_server
    from flows.support.doctor import examine

    checks = examine(settings, ask_server)
    healthy = all(check.level != "problem" for check in checks)
    if options.json:
        payload = {"healthy": healthy, "checks": [check.to_dict() for check in checks]}
        sys.stdout.write(f"{json.dumps(payload, indent=2)}\n")
    else:
        sys.stdout.write(checks_table(checks))
    return 0 if healthy else 1
