"""Run one stage after the other, through Prefect, and make sure of what each left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prefect.tasks import Task
from pydantic import BaseModel

from flows.support.summary import tell_stage
from tasks.core.progress import report
from tasks.records import ArtifactRef
from tasks.storage.artifacts import ArtifactStore, artifact_key


class StageModule(Protocol):
    """What a stage's module states about itself."""

    STAGE_NAME: str

    def version(self) -> str:
        """The stage's code version."""


@dataclass(frozen=True)
class Outcome:
    """How one stage went: its state is Prefect's (``Cached`` or ``Completed``)."""

    stage: str
    state: str
    seconds: float
    bytes: int
    uri: str


class Runner:
    """Runs stages of one tyre against one store.

    Args:
        store: Where artifacts lie.
        tyre: Name of the tyre, for the tasks' names.
    """

    def __init__(self, store: ArtifactStore, tyre: str) -> None:
        self.store = store
        self.outcomes: list[Outcome] = []
        self.versions: dict[str, str] = {}
        self._tyre = tyre

    def stage(
        self,
        module: StageModule,
        task: Task[..., Any],
        inputs: Mapping[str, str],
        parameters: BaseModel | Mapping[str, Any],
        *,
        model_digest: str = "",
        **arguments: Any,
    ) -> ArtifactRef:
        """Run a stage, or find that it was done before.

        A cached reference whose artifact is gone or damaged is noticed here, and made again.

        Args:
            module: The stage's module.
            task: Its task.
            inputs: Digest of each input.
            parameters: All that the result depends on besides; the task's ``config`` if a model.
            model_digest: Of the weights, if the stage uses any.
            arguments: The task's own arguments.
        """
        started = time.perf_counter()
        name = module.STAGE_NAME
        self.versions[name] = module.version()
        key = artifact_key(
            name,
            inputs=inputs,
            parameters=parameters,
            code=self.versions[name],
            model=model_digest,
        )
        if isinstance(parameters, BaseModel):
            arguments.setdefault("config", parameters)
        arguments.update(key=key, tyre=self._tyre, store=self.store)
        report(name, 0, 0)
        state = task(return_state=True, **arguments)
        ref = ArtifactRef(**state.result())
        if not self.store.intact(ref):
            state = task.with_options(refresh_cache=True)(return_state=True, **arguments)
            ref = ArtifactRef(**state.result())
        seconds = round(time.perf_counter() - started, 3)
        self.outcomes.append(Outcome(name, state.name or "", seconds, ref.size, ref.uri))
        tell_stage(self._tyre, name, state.name or "", seconds, ref.uri)
        return ref
