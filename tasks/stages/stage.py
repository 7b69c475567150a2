"""What a stage of the pipeline is, and how Prefect runs one.

A stage is one object: its name, the pure function that produces its artifact, and how often and
how long it may run. The key of an artifact is derived from the stage's arguments themselves, so
that nothing can be passed to it and not be counted, and from the source of every module that it
imports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, runtime_checkable

from prefect import State
from prefect import task as prefect_task
from prefect.context import TaskRunContext
from prefect.states import Completed
from prefect.tasks import Task

from configs.comparison import ComparisonStage
from configs.stages import StageConfig, StageName
from tasks.core.digests import canonical
from tasks.core.errors import ResourceError, Tyre3dError
from tasks.stages.code_version import code_version
from tasks.storage.artifacts import Artifact, ArtifactRef, ArtifactStore
from tasks.storage.base import disk_full_errors, storage_errors

CACHED_STATE = "Cached"
"""Prefect's name of the state of a task that did not need to run."""

Record = Mapping[str, Any]
"""What a stage says about its artifact, in plain JSON types; it stands in the manifest."""

StageTask = Task[..., Any]
P = ParamSpec("P")
C = TypeVar("C", bound=StageConfig)
C_contra = TypeVar("C_contra", bound=StageConfig, contravariant=True)


@dataclass(frozen=True)
class Workspace:
    """Where a stage works.

    Args:
        folder: An empty folder; all files that are written here become the artifact.
        scratch: An empty folder for intermediate files.
        device: ``cuda``, ``mps`` or ``cpu``, for stages that run a network. It is not part of
            the key: where a thing is computed does not say what is computed.
        store: Where the artifacts of earlier stages lie.
    """

    folder: Path
    scratch: Path
    device: str
    store: ArtifactStore

    def open(self, ref: ArtifactRef) -> Artifact:
        """The artifact of an earlier stage, checked.

        Raises:
            StorageError: ``artifact-damaged`` if anything is missing or was changed.
        """
        return self.store.open(ref)


@runtime_checkable
class Digested(Protocol):
    """An input that knows the digest of its content."""

    @property
    def digest(self) -> str:
        """The digest of all that a stage's result may depend on in this input."""


def identity(value: Any) -> Any:
    """What stands for an input in a key.

    Args:
        value: An :class:`ArtifactRef`, an object with a ``digest``, or plain JSON data.

    Raises:
        TypeError: The input has no digest, hence could not be counted.
    """
    if isinstance(value, ArtifactRef):
        return value.sha256
    if isinstance(value, Digested):
        return value.digest
    canonical(value)
    return value


@dataclass(frozen=True)
class Stage(Generic[C, P]):
    """One stage of the pipeline.

    Args:
        name: Its one spelling, for errors, progress, metadata, the API and Prefect's UI.
        produce: Makes the artifact: takes a :class:`Workspace`, the stage's parameters and its
            inputs by name, writes files into the workspace's folder and returns the record.
            It knows neither Prefect nor keys.
        retries: How many more attempts are made where another can help.
        timeout_s: Seconds after which an attempt is ended.
    """

    name: StageName | ComparisonStage
    produce: Callable[Concatenate[Workspace, C, P], Record]
    retries: int = 1
    timeout_s: float = 7200.0

    @property
    def version(self) -> str:
        """The digest of the source of all modules that the result depends on."""
        return code_version(self.produce.__module__)

    def key(self, config: C, *args: P.args, **inputs: P.kwargs) -> str:
        """The key of the artifact: the sha256 of everything that determines its content.

        Args:
            config: The stage's parameters.
            args: None; inputs are passed by name.
            inputs: All inputs of the stage, by name.
        """
        recipe = {
            "stage": self.name,
            "code": self.version,
            "parameters": config,
            "inputs": {name: identity(value) for name, value in inputs.items()},
        }
        return hashlib.sha256(canonical(recipe)).hexdigest()

    def make(
        self,
        store: ArtifactStore,
        key: str,
        device: str,
        config: StageConfig,
        inputs: Mapping[str, Any],
    ) -> ArtifactRef:
        """The artifact of ``key``: found complete, or produced and published.

        Args:
            store: Where it lies.
            key: From :meth:`key`, for the same parameters and inputs.
            device: Device of the :class:`Workspace`.
            config: The stage's parameters.
            inputs: All inputs of the stage, by name.
        """
        produce = cast(Callable[..., Record], self.produce)

        def produced(folder: Path) -> Record:
            from tasks.core.repeatable import compute_repeatably

            compute_repeatably()
            with (
                store.scratch(f"{self.name}-scratch") as scratch,
                storage_errors(str(folder)),
                disk_full_errors(str(folder)),
            ):
                return produce(Workspace(folder, scratch, device, store), config, **inputs)

        return store.make(self.name, key, produced)

    def task(self) -> StageTask:
        """The Prefect task of this stage.

        It takes ``key``, ``tyre``, ``config``, ``inputs``, ``device`` and ``store``, and returns
        the fields of an :class:`ArtifactRef`; its state is ``Cached`` where nothing was made.
        """

        def run(
            key: str,
            tyre: str,
            config: StageConfig,
            inputs: Mapping[str, Any],
            device: str,
            store: ArtifactStore,
        ) -> dict[str, Any] | State[dict[str, Any]]:
            found = store.find_intact(self.name, key)
            if found is not None:
                return found_before(found)
            return asdict(self.make(store, key, device, config, inputs))

        run.__name__ = self.name.replace("-", "_")
        run.__doc__ = self.produce.__doc__
        options = prefect_task(
            **CACHED,
            name=self.name.value,
            task_run_name=f"{self.name}-{{tyre}}",
            retries=self.retries,
            timeout_seconds=self.timeout_s,
        )
        return options(run)

    def ref_of(self, state: State[Any]) -> ArtifactRef:
        """The reference that a run of the task left.

        Args:
            state: The run's final state.

        Raises:
            ResourceError: ``too-slow`` where it was ended because it took too long.
            Tyre3dError: Whatever else ended it, as it was raised.
        """
        try:
            return ArtifactRef(**cast(dict[str, Any], state.result()))
        except TimeoutError as exc:
            raise ResourceError(
                "too-slow",
                stage=self.name,
                what=f"this stage was ended after {self.timeout_s:g} s",
                advice="Take a faster machine, --preset fast, or fewer and smaller frames "
                "(extract.max_candidates, extract.max_side_px); what is finished is kept",
            ) from exc


def found_before(ref: ArtifactRef) -> State[dict[str, Any]]:
    """What a task returns of an artifact that another run made and that Prefect knows nothing of.

    It is the state of what Prefect finds by itself, so that nobody takes the time of a look for
    that of the work.
    """
    return Completed(name=CACHED_STATE, data=asdict(ref))


def _prefect_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Prefect's cache key: the artifact's key and, as a reference names its store, the store's."""
    store = hashlib.sha256(parameters["store"].root.encode()).hexdigest()[:12]
    return f"tyre3d-{context.task.name}-{parameters['key']}-{store}"


def _can_help(task: Task[..., Any], run: object, state: State[Any]) -> bool:
    """Whether another attempt can succeed: only after errors that pass."""
    error = state.data
    if not isinstance(error, BaseException):
        error = state.result(raise_on_failure=False)
    return isinstance(error, Tyre3dError) and error.retryable


CACHED: dict[str, Any] = {
    "cache_key_fn": _prefect_key,
    "persist_result": True,
    "result_serializer": "json",
    "retry_delay_seconds": [1, 5],
    "retry_condition_fn": _can_help,
    "log_prints": False,
}
"""Options of every task that makes an artifact: it is ``Cached`` where it was made before."""
