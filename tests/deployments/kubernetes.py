"""What ``deployments/kubernetes`` describes, read without a cluster."""

from __future__ import annotations

from typing import Any

import yaml

from tests.deployments.stack import ROOT

FOLDER = ROOT / "deployments" / "kubernetes"


def kustomization_of(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / name / "kustomization.yaml").read_text()))


def resources_of(name: str) -> list[dict[str, Any]]:
    """The resources in the files of a kustomization, without those of another."""
    files = [FOLDER / name / file for file in kustomization_of(name)["resources"]]
    return [
        resource
        for path in files
        if path.is_file()
        for resource in yaml.safe_load_all(path.read_text())
    ]


def pod_of(resource: dict[str, Any]) -> dict[str, Any] | None:
    """The pods' specification of a Deployment or a Job."""
    return dict(resource["spec"]["template"]["spec"]) if "template" in resource["spec"] else None


def containers_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    pod = pod_of(resource) if "spec" in resource else None
    return list(pod["containers"]) if pod else []
