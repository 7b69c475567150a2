"""The service on Kubernetes: by the schemas of its API, and by what pods may and may not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from configs.settings import Settings, variables_of
from deployments.api.settings import ApiSettings
from tests.deployments.kubernetes import FOLDER, containers_of, kustomization_of, pod_of
from tests.deployments.kubernetes import resources_of as files_of
from tests.deployments.stack import ROOT

VERSIONS = ("1.31", "1.37")
RESOURCES = [*files_of("base"), *files_of("gpu")]
WITH_PODS = [r for r in RESOURCES if containers_of(r)]
KINDS = {(r["kind"], r["metadata"]["name"]): r for r in RESOURCES}
SECRETS = {"tyre3d", "tyre3d-api", "tyre3d-server"}


def _title(resource: dict[str, Any]) -> str:
    return f"{resource['kind']}-{resource['metadata']['name']}"


@pytest.mark.parametrize("resource", RESOURCES, ids=_title)
def test_the_schemas_of_kubernetes_take_it(resource: dict[str, Any]) -> None:
    for version in VERSIONS:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_schemas_refuse_what_is_not_known() -> None:
    deployment = yaml.safe_load(yaml.safe_dump(KINDS["Deployment", "tyre3d-api"]))
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", ["base", "gpu"])
def test_kustomize_builds_what_the_files_say(name: str) -> None:
    told = kustomization_of(name)
    listed = [file for file in told["resources"] if file.endswith(".yaml")]
    there = sorted(p.name for p in (FOLDER / name).glob("*.yaml") if p.stem != "kustomization")
    assert sorted(listed) == there
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    command = ["kubectl", "kustomize", str(FOLDER / name)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    made = list(yaml.safe_load_all(built))
    expected = RESOURCES if name == "gpu" else files_of("base")
    assert {_title(r) for r in made} == {_title(r) for r in expected}
    for resource in made:
        kubernetes_validate.validate(resource, VERSIONS[-1], strict=True)
        assert resource["kind"] == "Namespace" or resource["metadata"]["namespace"] == "tyre3d"
        for container in containers_of(resource):
            assert container["image"].startswith("registry.example/tyre3d:")
    if name == "gpu":
        (settings,) = (r["data"] for r in made if _title(r) == "ConfigMap-tyre3d")
        assert settings["TYRE3D_INFER_DEPLOYMENT"] == "infer/infer"


def test_the_overlay_of_the_page_is_built(tmp_path: Path) -> None:
    """Of a patch that begins with a bracket kustomize expects JSON, and takes no YAML."""
    page = (ROOT / "docs" / "operations.md").read_text()
    (patches,) = re.findall(r"```yaml\n(patches:\n.*?)```", page, re.DOTALL)
    for each in yaml.safe_load(patches)["patches"]:
        assert each["patch"].startswith("- ")
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    overlay = tmp_path / "overlay" / "kustomization.yaml"
    overlay.parent.mkdir()
    overlay.write_text(f"resources: [../kubernetes/base]\n{patches}")
    command = ["kubectl", "kustomize", str(overlay.parent)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (clients,) = (
        r for r in yaml.safe_load_all(built) if _title(r) == "NetworkPolicy-tyre3d-clients"
    )
    assert clients["spec"]["egress"][-1] == {"ports": [{"protocol": "TCP", "port": 9000}]}
    kubernetes_validate.validate(clients, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("resource", WITH_PODS, ids=_title)
def test_a_pod_is_bounded_and_has_no_more_rights_than_it_needs(resource: dict[str, Any]) -> None:
    """The rules of the profile *restricted*, which the namespace enforces, and further ones."""
    pod = pod_of(resource)
    assert pod is not None
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # TYRE3D_API_PORT would be tcp://…, of the service
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 10001  # the Dockerfile's
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert all(set(v) & {"emptyDir", "persistentVolumeClaim"} for v in volumes.values())
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}
        resources = container["resources"]
        assert {"cpu", "memory", "ephemeral-storage"} <= set(resources["requests"])
        assert {"memory", "ephemeral-storage"} <= set(resources["limits"])
        mounted = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
        assert {"/data", "/tmp"} <= set(mounted)
        assert set(mounted.values()) == set(volumes)
        if resource["kind"] == "Deployment":
            assert {"startupProbe", "livenessProbe"} <= set(container)
            ports = {p["name"] for p in container["ports"]}
            probes = [container[p] for p in container if p.endswith("Probe")]
            assert {p["httpGet"]["port"] for p in probes} <= ports


def test_every_variable_is_a_setting_and_every_map_and_secret_is_known() -> None:
    ours = set(variables_of(Settings).values()) | set(variables_of(ApiSettings).values())
    maps = {name: r["data"] for (kind, name), r in KINDS.items() if kind == "ConfigMap"}
    for data in maps.values():
        assert {k for k in data if k.startswith("TYRE3D")} <= ours
        assert all(isinstance(value, str) for value in data.values())
    for resource in WITH_PODS:
        for container in containers_of(resource):
            for source in container["envFrom"]:
                ((kind, told),) = source.items()
                assert told["name"] in (maps if kind == "configMapRef" else SECRETS)
    assert not [r for r in RESOURCES if r["kind"] == "Secret"]


def test_selectors_find_their_pods_and_ports() -> None:
    labels = {r["metadata"]["name"]: r["spec"]["template"]["metadata"]["labels"] for r in WITH_PODS}
    for resource in WITH_PODS:
        if resource["kind"] == "Deployment":
            selector = resource["spec"]["selector"]["matchLabels"]
            assert selector.items() <= labels[resource["metadata"]["name"]].items()
    for name in ("tyre3d-server", "tyre3d-api"):
        service = KINDS["Service", name]["spec"]
        assert service["selector"].items() <= labels[name].items()
        ports = {p["name"] for p in containers_of(KINDS["Deployment", name])[0]["ports"]}
        assert {p["targetPort"] for p in service["ports"]} <= ports
    server = KINDS["Service", "tyre3d-server"]["spec"]["ports"][0]["port"]
    url = KINDS["ConfigMap", "tyre3d"]["data"]["PREFECT_API_URL"]
    assert url == f"http://tyre3d-server:{server}/api"
    (rule,) = KINDS["Ingress", "tyre3d-api"]["spec"]["rules"]
    assert {p["backend"]["service"]["name"] for p in rule["http"]["paths"]} == {"tyre3d-api"}


def _reaches(labels: dict[str, str], selector: dict[str, Any]) -> bool:
    """Whether a selector of labels finds a pod; of expressions only NotIn is used."""
    named = selector.get("matchLabels", {}).items() <= labels.items()
    rules = selector.get("matchExpressions", [])
    assert {rule["operator"] for rule in rules} <= {"NotIn"}
    return named and all(labels.get(r["key"]) not in r["values"] for r in rules)


def test_who_may_talk_to_whom() -> None:
    pods = {r["metadata"]["name"]: r["spec"]["template"]["metadata"]["labels"] for r in WITH_PODS}
    policies = [r["spec"] for (kind, _), r in KINDS.items() if kind == "NetworkPolicy"]
    (default,) = [p for p in policies if p["podSelector"] == {}]
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default

    def enters(pod: str, other: str) -> bool:
        return any(
            _reaches(pods[other], source.get("podSelector", {"matchLabels": {"": ""}}))
            for policy in policies
            if _reaches(pods[pod], policy["podSelector"])
            for rule in policy.get("ingress", [])
            for source in rule["from"]
        )

    clients = {name for name in pods if enters("tyre3d-server", name)}
    assert clients == set(pods) - {"tyre3d-server", "tyre3d-models"}
    for pod in set(pods) - {"tyre3d-server"}:
        assert not any(enters(pod, other) for other in pods), pod
    doors = {
        source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for policy in policies
        if _reaches(pods["tyre3d-api"], policy["podSelector"])
        for rule in policy.get("ingress", [])
        if 8000 in [port["port"] for port in rule["ports"]]
        for source in rule["from"]
    }
    assert doors == {"ingress-nginx", "monitoring"}
    outside = {
        name
        for name, labels in pods.items()
        for policy in policies
        if _reaches(labels, policy["podSelector"])
        for rule in policy.get("egress", [])
        if "to" not in rule and 5432 in [port["port"] for port in rule["ports"]]
    }
    assert outside == {"tyre3d-server"}


def test_the_patch_for_another_port_of_s3_finds_its_policy() -> None:
    text = (FOLDER.parents[1] / "docs" / "operations.md").read_text()
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "9000" in b)
    (patch,) = yaml.safe_load(block)["patches"]
    policy = KINDS[patch["target"]["kind"], patch["target"]["name"]]
    (change,) = yaml.safe_load(patch["patch"])
    assert (change["op"], change["path"]) == ("add", "/spec/egress/-")
    changed = yaml.safe_load(yaml.safe_dump(policy))
    changed["spec"]["egress"].append(change["value"])
    kubernetes_validate.validate(changed, VERSIONS[-1], strict=True)


def test_the_secrets_are_told_of() -> None:
    text = (FOLDER / "base" / "settings.yaml").read_text()
    told = set(re.findall(r"^#   (tyre3d\S*) ", text, re.MULTILINE))
    assert told == SECRETS
