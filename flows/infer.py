"""The network on another machine: references and digests in, a reference out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from prefect import State, flow
from prefect import task as prefect_task
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run as this_flow
from prefect.runtime import task_run as this_task

from configs.registry import MODELS
from configs.settings import Settings
from configs.stages import InferConfig, StageName
from flows.support.clocks import time_of
from flows.support.settings import load_settings
from tasks.core.errors import ModelError, StorageError, kind_of
from tasks.core.failures import failure_of_state
from tasks.network.device import pick_device
from tasks.network.weights import choose_model
from tasks.stages.infer_codes import INFER
from tasks.stages.stage import CACHED, StageTask, found_before
from tasks.storage.artifacts import ArtifactRef, ArtifactStore, open_store

_POLL_S = 2.0
_ARTIFACTS = ("frames", "masks", "selection")
"""Inputs of the stage that are artifacts."""


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
        key: The key of the artifact to make.
        tyre: Name of the tyre, for the run's name.
        frames: Artifact of the candidate frames.
        masks: Artifact of their masks.
        selection: Artifact of the choice.
        model: Name or folder of the model, to be found on this machine.
        model_digest: The digest that it must have.
        config: How the network is run.

    Returns:
        The fields of the artifact's reference.

    Raises:
        ModelError: ``model-differs`` if this machine has other weights under that name,
            ``release-differs`` if it has another release of this stage.
        ResourceError: ``too-slow``.
    """
    settings = load_settings()
    chosen = choose_model(model, settings.models_dir)
    if chosen.digest != model_digest:
        raise ModelError(
            "model-differs",
            stage=StageName.INFER,
            what=f"the weights of {model} on this machine are not those of the requesting one",
            advice="Give all machines the same weights: tyre3d models fetch",
        )
    if key != INFER.key(config, frames=frames, masks=masks, selection=selection, model=chosen):
        raise ModelError(
            "release-differs",
            stage=StageName.INFER,
            what="the code of this stage on this machine is not that of the requesting one",
            advice="Install the same release of Tyre3D on all machines",
        )
    # Prefect's cache knows nothing of artifacts that were deleted; the store does.
    made = INFER.task().with_options(refresh_cache=True)
    inputs = {"frames": frames, "masks": masks, "selection": selection, "model": chosen}
    device = pick_device("auto", settings.device)
    store = open_store(settings)
    state = made(key, tyre, config, inputs, device, store, return_state=True)
    return asdict(INFER.ref_of(cast(State[Any], state)))


def remote_tasks(settings: Settings) -> dict[str, StageTask]:
    """Tasks of the stages that a deployment runs instead of this process, if settings name one."""
    deployment = settings.infer_deployment
    return {StageName.INFER: _by_deployment(deployment)} if deployment else {}


def _by_deployment(deployment: str) -> StageTask:
    """A task that lets a deployment of :func:`infer` do the work.

    It has no time-out: the stage's own holds where the work is done, and a queue may be long.
    """
    options = prefect_task(
        **CACHED,
        name=INFER.name.value,
        task_run_name=f"{INFER.name}-{{tyre}}",
        retries=INFER.retries,
    )

    @options
    def infer_remotely(
        key: str,
        tyre: str,
        config: InferConfig,
        inputs: Mapping[str, Any],
        device: str,
        store: ArtifactStore,
    ) -> dict[str, Any] | State[dict[str, Any]]:
        # the device is the worker's own: that of the caller says nothing of it
        found = store.find_intact(StageName.INFER, key)
        if found is not None:
            return found_before(found)
        try:
            _run_deployment(deployment, key, tyre, config, inputs)
        except StorageError as exc:
            if exc.code == "artifact-damaged":
                # copies here may have hidden it: read anew, it is seen, and made again, next time
                for name in _ARTIFACTS:
                    store.intact(inputs[name], afresh=True)
            raise
        made = store.find(StageName.INFER, key)
        if made is None:
            raise StorageError(
                "storage-not-shared",
                stage=StageName.INFER,
                what=f"{deployment} succeeded, but its artifact is not below {store.root}",
                advice="Give the workers of all pools the same TYRE3D_STORAGE",
            )
        return asdict(made)

    return infer_remotely


def _run_deployment(
    deployment: str, key: str, tyre: str, config: InferConfig, inputs: Mapping[str, Any]
) -> None:
    """Run a deployment of :func:`infer` to its end.

    Raises:
        Tyre3dError: What went wrong there, with its code and of its kind.
    """
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    with get_client(sync_client=True) as client:
        now = time_of(client.request("GET", "/health"))
    model = inputs["model"]
    returned = run_deployment(
        deployment,
        parameters={
            "key": key,
            "tyre": tyre,
            **{name: asdict(inputs[name]) for name in _ARTIFACTS},
            "model": model.name if model.name in MODELS else str(model.folder),
            "model_digest": model.digest,
            "config": config.model_dump(mode="json"),
        },
        flow_run_name=f"infer-{tyre}",
        scheduled_time=now,  # by the server's clock, which decides what is due
        timeout=None,
        poll_interval=_POLL_S,
        idempotency_key=f"{this_flow.id}:{key}:{this_flow.run_count}.{this_task.run_count}",
    )
    run = cast(FlowRun, returned)  # no coroutine: a task that is not async called it
    if run.state is None or not run.state.is_completed():
        message = run.state.message if run.state is not None else None
        failure = failure_of_state(run.state.type.value if run.state is not None else "", message)
        raise kind_of(failure.code)(
            failure.code,
            stage=failure.stage or StageName.INFER,
            what=failure.message,
            advice=f"See flow run {run.name}",
        )
