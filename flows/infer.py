"""The network on another machine: references and digests in, a reference out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from prefect import flow, task
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run as this_flow
from prefect.runtime import task_run as this_task
from prefect.tasks import Task

from configs.registry import MODELS
from configs.settings import Settings
from configs.stages import InferConfig
from tasks.core.errors import ModelError, ResourceError, StorageError
from tasks.core.failures import failure_of_state
from tasks.network.weights import ChosenModel, choose_model, pick_device
from tasks.records import ArtifactRef
from tasks.stages.caching import STAGE
from tasks.stages.infer_codes import STAGE_NAME, infer_task
from tasks.storage.artifacts import ArtifactStore, open_store

_POLL_S = 2.0


@flow(name="infer", flow_run_name="infer-{tyre}", log_prints=False)
def infer(
    *,
    key: str,
    tyre: str,
    frames: ArtifactRef,
    masks: ArtifactRef,
    selection: ArtifactRef,
    model: str,
    model_digest: str,
    config: InferConfig,
) -> dict[str, Any]:
    """Infer the codes of one tyre's chosen frames; inputs and result lie in the shared storage.

    Args:
        key: Of the artifact to make.
        tyre: Name of the tyre, for the run's name.
        frames: Artifact of the candidate frames.
        masks: Artifact of their masks.
        selection: Artifact of the choice.
        model: Name or folder of the model, to be found on this machine.
        model_digest: That it must have.
        config: How the network is run.

    Returns:
        The fields of the artifact's reference.

    Raises:
        ModelError: ``model-differs`` if this machine has other weights under that name.
    """
    settings = Settings()
    chosen = choose_model(model, settings.models_dir)
    if chosen.digest != model_digest:
        raise ModelError(
            "model-differs",
            stage=STAGE_NAME,
            what=f"the weights of {model} on this machine are not those of the asking one",
            advice="Give all machines the same weights: tyre3d models fetch",
        )
    device = pick_device("auto")
    store = open_store(settings)
    # Prefect's cache knows nothing of artifacts that were deleted; the store does.
    made = infer_task.with_options(refresh_cache=True)
    return dict(made(key, tyre, frames, masks, selection, chosen, device, config, store))


@task(name="infer codes", task_run_name="infer-{tyre}", retries=2, **STAGE)
def infer_elsewhere(
    key: str,
    tyre: str,
    frames: ArtifactRef,
    masks: ArtifactRef,
    selection: ArtifactRef,
    model: ChosenModel,
    device: str,
    config: InferConfig,
    store: ArtifactStore,
    deployment: str,
) -> dict[str, Any]:
    """Let a deployment of :func:`infer` do the work; returns the artifact's reference.

    Raises:
        ResourceError: With the code of what went wrong there.
        StorageError: ``storage-not-shared`` if its result is not where this process looks.
    """
    from prefect.deployments import run_deployment

    there = store.find(STAGE_NAME, key)
    if there is not None and store.intact(there):
        return asdict(there)
    asked = run_deployment(
        deployment,
        parameters={
            "key": key,
            "tyre": tyre,
            "frames": asdict(frames),
            "masks": asdict(masks),
            "selection": asdict(selection),
            "model": model.name if model.name in MODELS else str(model.folder),
            "model_digest": model.digest,
            "config": config.model_dump(mode="json"),
        },
        flow_run_name=f"infer-{tyre}",
        timeout=None,
        poll_interval=_POLL_S,
        idempotency_key=f"{this_flow.id}:{key}:{this_flow.run_count}.{this_task.run_count}",
    )
    run = cast(FlowRun, asked)  # no coroutine: a task that is not async asks
    if run.state is None or not run.state.is_completed():
        told = run.state.message if run.state is not None else None
        failure = failure_of_state(run.state.type.value if run.state is not None else "", told)
        raise ResourceError(
            failure.code, stage=STAGE_NAME, what=failure.message, advice=f"See flow run {run.name}"
        )
    made = store.find(STAGE_NAME, key)
    if made is None:
        raise StorageError(
            "storage-not-shared",
            stage=STAGE_NAME,
            what=f"{deployment} succeeded, but its artifact is not below {store.root}",
            advice="Give the workers of all pools the same TYRE3D_STORAGE",
        )
    return asdict(made)


def inference(settings: Settings) -> tuple[Task[..., dict[str, Any]], Mapping[str, Any]]:
    """The task that runs the network, here or by a deployment, and its further arguments."""
    if settings.infer_deployment:
        return infer_elsewhere, {"deployment": settings.infer_deployment}
    return infer_task, {}
