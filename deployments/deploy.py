"""Make the work pools, the deployments and the watch over dead runs on a Prefect server.

Everything is made or brought up to date; running it again changes nothing else.
"""

from __future__ import annotations

import argparse
import copy
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.context import refresh_global_settings_context
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.templating import apply_values

from deployments.alerts import alerts, find_block, make_alerts
from flows import TAG
from flows.cli.local_server import check_server
from flows.support.own_server import ask_loopback_directly, use_own_password
from tasks.core.errors import Tyre3dError

ROOT = Path(__file__).parents[1]
POOLS = Path(__file__).with_name("pools.yaml")
WATCH = "tyre3d: runs without a heartbeat have crashed"
WATCH_STARTS = "tyre3d: runs that do not start have crashed"
_SILENCE_S = 150.0
"""Five heartbeats, which prefect.yaml sets to one every 30 seconds."""
_START_WITHIN_S = 900.0
"""Images may have to be pulled, and machines started, before a run begins."""

_STARTS_WITHIN_S = 300.0
"""The server may have a database to bring up to date, beside all else that a machine starts."""
_QUEUE_AGE_S = 1800.0
_AUTOMATIONS = 200
"""That are read at once: the most that Prefect's server gives."""
_OF_RUNS = ("name", "labels")
"""Variables of a job that a run may set: what it is called."""

_log = logging.getLogger("tyre3d.deploy")


def pools_on(platform: str) -> dict[str, dict[str, Any]]:
    """The pools: limits from ``pools.yaml``, the rest from the platform's own file, if it has one.

    Args:
        platform: ``process``, ``docker`` or ``kubernetes``.
    """
    document = yaml.safe_load(POOLS.read_text())
    further: dict[str, Any] = {}
    if platform != "process":
        further = yaml.safe_load((POOLS.parent / platform / POOLS.name).read_text())
    pools = {}
    for name, pool in document["pools"].items():
        own = {**pool, **further.get(name, {})}
        variables = own.get("job_variables", {})
        env = {**document["environment"], **variables.get("env", {})}
        pools[name] = {**own, "job_variables": {**variables, "env": env}}
    return pools


def job_template(pool: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    """A job template of the pool's type in which the pool decides what runs, and no run does.

    Prefect's own templates let whoever creates a run give it another command, environment, image
    or volume. Here these are the pool's, and a run that brings its own is refused.

    Args:
        pool: Its type, and ``job_variables`` and ``job_configuration``, if any.
        types: Prefect's description of every type of worker.

    Raises:
        ValueError: For variables that the type does not have: Prefect would ignore them.
    """
    template = copy.deepcopy(types[pool["type"]]["default_base_job_configuration"])
    known = template["variables"]["properties"]
    own = pool.get("job_variables", {})
    if unknown := set(own) - set(known):
        raise ValueError(f"pools of type {pool['type']} have no variable {', '.join(unknown)}")
    values = {name: about["default"] for name, about in known.items() if "default" in about} | own
    kept = {name: f"{{{{ {name} }}}}" for name in _OF_RUNS}
    fixed = apply_values(template["job_configuration"], {**values, **kept}, remove_notset=True)
    variables = {
        "type": "object",
        "properties": {name: known[name] for name in _OF_RUNS},
        "additionalProperties": False,
    }
    over = _merged(fixed, pool.get("job_configuration", {}))
    return {"job_configuration": over, "variables": variables}


def _merged(under: Any, over: Any) -> Any:
    """``over`` put over ``under``: dictionaries by key, lists of the same length by position."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{k: _merged(under.get(k), v) for k, v in over.items()}}
    if isinstance(under, list) and isinstance(over, list) and len(under) == len(over):
        return [_merged(u, o) for u, o in zip(under, over, strict=True)]
    return over


def make_pools(client: SyncPrefectClient, pools: dict[str, dict[str, Any]]) -> None:
    """Create the pools that are missing; bring the others up to date."""
    views = client.request(
        "GET", "/collections/views/{view}", path_params={"view": "aggregate-worker-metadata"}
    ).json()
    types = {name: worker for workers in views.values() for name, worker in workers.items()}
    for name, pool in pools.items():
        fields = {
            "description": pool["description"],
            "concurrency_limit": pool["concurrency_limit"],
            "base_job_template": job_template(pool, types),
        }
        try:
            existing = client.read_work_pool(name)
        except ObjectNotFound:
            try:
                client.create_work_pool(WorkPoolCreate(name=name, type=pool["type"], **fields))
            except ObjectAlreadyExists:  # another deploy came first
                existing = client.read_work_pool(name)
            else:
                _log.info("work pool %s: made", name)
                continue
        if existing.type != pool["type"]:
            raise SystemExit(
                f"work pool {name} is of type {existing.type}: delete it first, "
                f"prefect work-pool delete {name}"
            )
        client.update_work_pool(name, WorkPoolUpdate(**fields))
        _log.info("work pool %s: brought up to date", name)


def watch_over_runs(client: SyncPrefectClient, silence: timedelta, start_within: timedelta) -> None:
    """Have the server mark runs as crashed whose process and worker are both gone.

    Nothing else would: such a run would stay running, or pending, for ever. Only runs with our
    tag are watched: others may send heartbeats less often, or none.

    Args:
        client: A client of the server.
        silence: The time after which a running run without a heartbeat has crashed.
        start_within: The time after which a run that a worker took but did not start has crashed.
    """
    ends = ("Completed", "Failed", "Cancelled", "Crashed")
    alive = ("Running", "heartbeat")
    # what stands in both begins the wait anew; a run may die before its first heartbeat arrives
    watches = {
        WATCH: (alive, (*alive, *ends), silence, "its process and its worker are gone"),
        WATCH_STARTS: (
            ("Pending",),
            ("Scheduled", "Cancelling", *alive, *ends),
            start_within,
            "it was taken by a worker and never started",
        ),
    }
    for name, (begins, signs, within, why) in watches.items():
        trigger = EventTrigger(
            after={f"prefect.flow-run.{begin}" for begin in begins},
            expect={f"prefect.flow-run.{sign}" for sign in signs},
            for_each={"prefect.resource.id"},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            match_related={"prefect.resource.id": [f"prefect.tag.{TAG}"]},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        )
        crashed = ChangeFlowRunState(
            state=StateType.CRASHED, name="Crashed", message=f"No heartbeat: {why}"
        )
        watch = AutomationCore(name=name, description=why, trigger=trigger, actions=[crashed])
        known = client.read_automations_by_name(name)
        # one that is made anew forgets the runs that it waits for, those of a backup among them
        alike = [old for old in known if old.model_dump(exclude={"id"}) == watch.model_dump()]
        for old in known:  # there are two where two made it at once
            if old not in alike[:1]:
                client.delete_automation(old.id)
        if not alike:
            client.create_automation(watch)
    _log.info("watch over runs: made, or there already")


def main() -> int:
    """Make pools, deployments and the watch; returns the exit code of Prefect's own command."""
    parser = argparse.ArgumentParser(
        description="Make work pools, deployments, the watch over runs"
    )
    parser.add_argument(
        "--on",
        choices=["process", "docker", "kubernetes"],
        default="process",
        help="what runs are: processes beside their worker (default), containers, jobs",
    )
    parser.add_argument(
        "--silence-s",
        type=float,
        default=_SILENCE_S,
        metavar="SECONDS",
        help="after which a run without a heartbeat counts as crashed (default: %(default)s)",
    )
    parser.add_argument(
        "--start-within-s",
        type=float,
        default=_START_WITHIN_S,
        metavar="SECONDS",
        help="after which a run that was taken and did not start has crashed "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--alert",
        metavar="TYPE/NAME",
        help="notification block that tells of failed runs, pools without workers and old queues, "
        "such as slack-webhook/on-call (default: alerts stay as they are)",
    )
    parser.add_argument(
        "--queue-age-s",
        type=float,
        default=_QUEUE_AGE_S,
        metavar="SECONDS",
        help="after which a run that waits is told of (default: %(default)s)",
    )
    parser.add_argument(
        "--within-s",
        type=float,
        default=_STARTS_WITHIN_S,
        metavar="SECONDS",
        help="how long a server that is starting is waited for (default: %(default)s)",
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ask_loopback_directly()
    use_own_password()
    try:
        check_server(0.0)
    except Tyre3dError as exc:
        if exc.code != "server-away":
            _log.error("%s", exc)
            return exc.exit_code
        _log.info("%s; it is waited for, as it may be starting", exc.what)
    try:
        check_server(options.within_s)
        refresh_global_settings_context()  # Prefect read the environment when it was imported
        _make(options)
        return _make_deployments()
    except Tyre3dError as exc:
        _log.error("%s", exc)
        return exc.exit_code
    except (httpx.TransportError, PrefectHTTPStatusError) as exc:
        if isinstance(exc, PrefectHTTPStatusError) and exc.response.status_code < 500:
            raise
        _log.error("Prefect's server went away meanwhile (%s): run this again", type(exc).__name__)
        return 1


def as_switched(
    document: dict[str, Any], there: Sequence[DeploymentResponse], switched: Mapping[str, bool]
) -> dict[str, Any]:
    """What ``prefect.yaml`` says, with schedules and triggers on or off as they are on the server.

    Prefect's command makes them anew, as the file says: what was switched on would be off again
    after every upgrade.

    Args:
        document: The content of the file.
        there: The deployments of the server.
        switched: By name: whether an automation of the server is on.
    """
    changed = copy.deepcopy(document)
    for deployment in changed["deployments"]:
        name = deployment["name"]
        active = {
            (each.schedule.cron, each.schedule.timezone): each.active
            for known in there
            if known.name == name
            for each in known.schedules
            if isinstance(each.schedule, CronSchedule)
        }
        for schedule in deployment.get("schedules", []):
            key = (schedule["cron"], schedule["timezone"])
            schedule["active"] = active.get(key, schedule["active"])
        for number, trigger in enumerate(deployment.get("triggers", []), start=1):
            automation = f"{name}__automation_{number}"  # as Prefect calls it
            trigger["enabled"] = switched.get(automation, trigger["enabled"])
    return changed


def _make_deployments() -> int:
    """Make the deployments by Prefect's own command; returns its exit code.

    What it says is shown where it fails. Otherwise it advises to start workers of Prefect's own,
    which do not let their runs end when they are stopped.
    """
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    with get_client(sync_client=True) as client:
        automations = client.read_automations(limit=_AUTOMATIONS)
        switched = {each.name: each.enabled for each in automations}
        document = as_switched(document, client.read_deployments(), switched)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(document))
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        done = subprocess.run(
            [*command, "--prefect-file", str(file)],
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if done.returncode != 0:
        _log.error("%s", done.stdout)
    else:
        names = [each["name"] for each in document["deployments"]]
        _log.info("deployments: made, or brought up to date: %s", ", ".join(names))
    return done.returncode


def _make(options: argparse.Namespace) -> None:
    """Make pools, the watch and alerts; Prefect's own command makes the deployments."""
    with get_client(sync_client=True) as client:
        _log.info("server: %s", client.api_url)
        make_pools(client, pools_on(options.on))
        silence = timedelta(seconds=options.silence_s)
        watch_over_runs(client, silence, timedelta(seconds=options.start_within_s))
        if options.alert:
            block, age = find_block(client, options.alert), timedelta(seconds=options.queue_age_s)
            make_alerts(client, alerts(block, TAG, sorted(pools_on(options.on)), age))
            _log.info("alerts: by %s", options.alert)


if __name__ == "__main__":
    sys.exit(main())
