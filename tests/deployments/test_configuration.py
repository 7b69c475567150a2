"""What Prefect and compose would ignore without a word: unknown keys, pools and settings."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import prefect
import pytest
import yaml
from prefect import Flow
from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel, WorkPoolConfig
from prefect.settings import Settings as PrefectSettings
from prefect.settings import get_current_settings
from prefect.utilities.schema_tools import ValidationError, validate

from configs.request import BatchRequest
from configs.settings import Settings, variables_of
from deployments.api.settings import ApiSettings
from deployments.deploy import job_template, pools_on
from flows import TAG
from flows.cli.parser import build_parser
from tests.deployments.kubernetes import containers_of, resources_of

ROOT = Path(__file__).parents[2]
PREFECT: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
POOLS = yaml.safe_load((ROOT / "deployments" / "pools.yaml").read_text())["pools"]
COMPOSE = yaml.safe_load((ROOT / "deployments" / "docker" / "compose.yaml").read_text())
WORKERS = Path(prefect.__file__).parent / (
    "server/api/collections_data/views/aggregate-worker-metadata.json"
)
DEPLOYMENTS = {d["name"]: d for d in PREFECT["deployments"]}


def _keys(model: Any) -> set[str]:
    fields = model.model_fields
    return set(fields) | {f.alias for f in fields.values() if f.alias}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_says_nothing_that_would_be_ignored(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    assert set(deployment) <= _keys(DeploymentConfig)
    assert set(deployment["work_pool"]) <= _keys(WorkPoolConfig)
    assert deployment["work_pool"]["name"] in POOLS
    module, _, flow = deployment["entrypoint"].rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), flow), Flow)


def test_the_file_says_nothing_that_would_be_ignored() -> None:
    assert set(PREFECT) - {"definitions"} <= _keys(PrefectYamlModel)
    assert PREFECT["pull"], "without it Prefect writes down the deployer's own directory"
    assert len(DEPLOYMENTS) == len(PREFECT["deployments"])


def test_runs_of_every_deployment_are_watched() -> None:
    for name, deployment in DEPLOYMENTS.items():
        assert TAG in deployment["tags"], name
        assert "job_variables" not in deployment["work_pool"], "a pool takes none"
    for platform in ("process", "docker", "kubernetes"):
        for name, pool in pools_on(platform).items():
            env = pool["job_variables"]["env"]
            assert env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30", name


@pytest.mark.parametrize("platform", ["process", "docker", "kubernetes"])
def test_pools_of_every_platform_have_templates(platform: str) -> None:
    views = json.loads(WORKERS.read_text())
    types = {name: worker for workers in views.values() for name, worker in workers.items()}
    pools = pools_on(platform)
    assert set(pools) == set(POOLS)
    templates = {name: job_template(pool, types) for name, pool in pools.items()}
    gpu, cpu = (templates[name]["job_configuration"] for name in ("gpu", "cpu"))
    if platform == "process":
        assert gpu == cpu
        assert set(cpu) == {"env", "labels", "name", "stream_output"}
    if platform == "docker":
        card = gpu["container_create_kwargs"].pop("device_requests")
        assert card[0]["count"] == 1
        assert (gpu.pop("image"), cpu["image"]) == ("tyre3d:cuda", "tyre3d:cpu")
        assert (gpu.pop("mem_limit"), cpu["mem_limit"]) == ("16g", "12g")
        assert gpu == {k: v for k, v in cpu.items() if k not in ("image", "mem_limit")}
        least = cpu["container_create_kwargs"]
        assert (least["read_only"], least["init"], least["cap_drop"]) == (True, True, ["ALL"])
        env = cpu["env"]
        assert env["TYRE3D_S3_SECRET_KEY"] == "{{ prefect.blocks.secret.tyre3d-s3-secret-key }}"
        assert {k for k in env if k.startswith("TYRE3D")} <= set(variables_of(Settings).values())
    if platform == "kubernetes":
        for job, wanted in ((gpu, 1), (cpu, None)):
            spec = job["job_manifest"]["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            assert container["image"] == ("tyre3d:cuda" if wanted else "tyre3d:cpu")
            assert container["resources"]["requests"]["memory"] == ("8Gi" if wanted else "4Gi")
            assert container["resources"]["limits"].get("nvidia.com/gpu") == wanted
            assert {"secretRef": {"name": "tyre3d"}} in container["envFrom"]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert spec["securityContext"]["runAsNonRoot"]
            assert spec["enableServiceLinks"] is False
            mounts = {m["name"] for m in container["volumeMounts"]}
            assert mounts == {v["name"] for v in spec["volumes"]}
    with pytest.raises(ValueError, match="no variable imgae"):
        job_template({**pools["cpu"], "job_variables": {"imgae": "x"}}, types)


@pytest.mark.parametrize("platform", ["process", "docker", "kubernetes"])
@pytest.mark.parametrize(
    "override",
    [
        {"command": "touch /tmp/pwned"},
        {"env": {"PYTHONPATH": "/tmp"}},
        {"env.PYTHONPATH": "/tmp"},
        {"working_dir": "/tmp"},
        {"image": "evil:latest"},
        {"volumes": ["/:/host"]},
    ],
)
def test_no_run_brings_its_own_command_environment_or_image(
    platform: str, override: dict[str, Any]
) -> None:
    """By the schema with which Prefect's server looks at the variables of a run."""
    views = json.loads(WORKERS.read_text())
    types = {name: worker for workers in views.values() for name, worker in workers.items()}
    for pool in pools_on(platform).values():
        schema = job_template(pool, types)["variables"]
        validate({"name": "a run"}, schema, raise_on_error=True, preprocess=True)
        with pytest.raises(ValidationError, match="Additional properties"):
            validate(override, schema, raise_on_error=True, preprocess=True)


def test_parameters_of_deployments_are_valid() -> None:
    BatchRequest.model_validate(DEPLOYMENTS["incoming"]["parameters"]["request"])


def test_those_who_wait_have_a_pool_of_their_own() -> None:
    pools = {name: DEPLOYMENTS[name]["work_pool"]["name"] for name in DEPLOYMENTS}
    assert len({pools["batch"], pools["reconstruct"], pools["infer"]}) == 3


def test_every_variable_in_compose_is_a_setting() -> None:
    known = set(variables_of(Settings).values()) | set(variables_of(ApiSettings).values())
    prefect = get_current_settings().to_environment_variables(exclude_unset=False)
    assert isinstance(get_current_settings(), PrefectSettings)
    others = {"DO_NOT_TRACK", "HOME", "PREFECT_REDIS_MESSAGING_HOST"}
    unset = {
        "PREFECT_API_URL",
        "PREFECT_API_AUTH_STRING",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY",
        "PREFECT_API_DATABASE_CONNECTION_URL",
    }
    for name, service in COMPOSE["services"].items():
        if not str(service.get("image", "")).startswith("tyre3d"):
            continue
        for variable in service.get("environment", {}):
            assert variable in known | others | unset | set(prefect), (name, variable)


def test_secrets_stand_in_no_file() -> None:
    for path in [ROOT / "prefect.yaml", *(ROOT / "deployments").rglob("*.yaml")]:
        for line in path.read_text().splitlines():
            found = re.match(
                r"\s*(?!#)\S*(PASSWORD|SECRET_KEY|TOKEN|AUTH_STRING)\S*:\s*(\S+)", line
            )
            elsewhere = ("${", "{{ prefect.blocks.secret.")
            assert found is None or any(e in line for e in elsewhere), f"{path.name}: {line}"


@pytest.mark.parametrize(
    "name",
    [
        "deployments/docker/.env",
        "deployments/docker/.env.bak",  # what editors and people leave beside it
        "deployments/kubernetes/workers.env",
        "deployments/kubernetes/workers.env~",
        "tyre3d.env",
    ],
)
def test_files_of_secrets_get_neither_into_an_image_nor_into_the_repository(name: str) -> None:
    """Where docs/operations.md has them made; whoever gets the image would read them there."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    after = patterns[patterns.index("!deployments") + 1 :]
    assert any(fnmatch(f"/{name}", pattern.replace("**/", "*/")) for pattern in after)
    command = ["git", "check-ignore", "--no-index", "--quiet", name]
    example = [*command[:-1], "deployments/docker/example.env"]
    if shutil.which("git") and (ROOT / ".git").exists():
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
        assert subprocess.run(example, cwd=ROOT, check=False).returncode != 0


def test_units_start_where_there_is_no_folder_of_films() -> None:
    """As where all lies in S3: systemd refuses a unit whose path is missing, unless told not to."""
    for path in (ROOT / "deployments" / "systemd").glob("*.service"):
        lines = path.read_text().splitlines()
        (writable,) = [line for line in lines if line.startswith("ReadWritePaths=")]
        needed = {p for p in writable.partition("=")[2].split() if not p.startswith("-")}
        assert needed == {"/var/lib/tyre3d"}, path.name  # the user's home


def _commands() -> dict[str, list[str]]:
    """What units and containers start, as far as it is our command line."""
    units = {
        path.name: next(
            line.partition("=")[2].split()
            for line in path.read_text().splitlines()
            if line.startswith("ExecStart=")
        )
        for path in (ROOT / "deployments" / "systemd").glob("*.service")
    }
    services = {
        name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", str(service["command"])).split()
        for name, service in COMPOSE["services"].items()
        if "command" in service
    }
    pods = {
        f"{resource['kind']} {resource['metadata']['name']}": container["args"]
        for resource in resources_of("base") + resources_of("gpu")
        for container in containers_of(resource)
    }
    return {**units, **services, **pods}


def test_units_and_containers_start_commands_that_there_are() -> None:
    ours = {n: c for n, c in _commands().items() if c[0].rpartition("/")[2] == "tyre3d"}
    pods = {f"Deployment tyre3d-worker-{pool}" for pool in POOLS}
    assert {"tyre3d-server.service", "tyre3d-worker@.service", "worker-cpu", *pods} <= set(ours)
    for command in ours.values():
        build_parser().parse_args(command[1:])


def test_every_container_of_ours_is_bounded_and_has_no_more_rights_than_it_needs() -> None:
    for name, service in COMPOSE["services"].items():
        if str(service.get("image", "")).startswith("tyre3d"):
            assert service["init"], name
            assert service["read_only"], name
            assert service["mem_limit"], name
            written = {place.partition(":")[0] for place in service["tmpfs"]}
            written |= {volume.split(":")[1] for volume in service.get("volumes", [])}
            assert written >= {"/tmp", "/data"}, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service["logging"]["options"]["max-size"], name
            # Docker starts no container that asks for more cores than the machine has
            assert service.get("cpus", "${:-0}").endswith(":-0}"), name
    for name in ("server", "worker-cpu", "worker-batch", "worker-gpu", "api"):
        assert "healthcheck" in COMPOSE["services"][name], name


def test_the_server_has_time_to_make_its_database_before_others_give_it_up() -> None:
    """Compose ends where what others wait for is unhealthy once; pods have five minutes, too."""
    check = COMPOSE["services"]["server"]["healthcheck"]
    assert check["start_period"] == "10m"
    assert "/api/health" in check["test"][-1], "an open port answers nobody yet"


def test_containers_of_others_have_no_more_rights_than_they_need_either() -> None:
    others = {
        name: service
        for name, service in COMPOSE["services"].items()
        if "_IMAGE:-" in str(service.get("image", ""))
    }
    assert set(others) == {"postgres", "redis", "s3", "bucket"}
    written = {
        "postgres": {"/tmp", "/var/run/postgresql", "/var/lib/postgresql/data"},
        "redis": {"/data"},
        "s3": {"/tmp", "/data"},
        "bucket": {"/tmp"},
    }
    for name, service in others.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        mounts = [v for v in service.get("volumes", []) if not v.endswith(":ro")]
        places = {*service["tmpfs"], *(volume.split(":")[1] for volume in mounts)}
        assert places == written[name], name
        # what is started by root without capabilities cannot become another user
        assert service.get("user", "root") == {"postgres": "postgres", "redis": "redis"}.get(
            name, "root"
        )
        assert name in ("postgres", "redis") or service["environment"]["HOME"] == "/tmp"


def test_the_example_of_secrets_holds_none() -> None:
    """Compose refuses what is empty."""
    text = (ROOT / "deployments" / "docker" / "example.env").read_text()
    values = dict(x.split("=", 1) for x in text.splitlines() if x and not x.startswith("#"))
    assert values.pop("CPU_RUNS") == "2"
    assert set(values.values()) == {""}
    compose = (ROOT / "deployments" / "docker" / "compose.yaml").read_text()
    for name in set(values) - {"TYRE3D_INFER_DEPLOYMENT"}:
        assert f"${{{name}:?" in compose, name
