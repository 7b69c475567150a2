"""Runs one stage after the other through Prefect, and makes sure of what each left."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from prefect import State

from flows.support.events import emit_stage_event
from tasks.core.progress import report
from tasks.stages.stage import CACHED_STATE, C, P, Stage, StageTask
from tasks.storage.artifacts import ArtifactRef, ArtifactStore

_log = logging.getLogger("tyre3d.stages")


@dataclass(frozen=True)
class Outcome:
    """How one stage went.

    Args:
        stage: Its name.
        state: Prefect's (``Cached`` or ``Completed``).
        seconds: How long it took in this run.
        bytes: Size of its artifact.
        uri: The artifact's manifest.
        cached: Whether an earlier run made the artifact.
        made_s: Seconds that making the artifact took, in whichever run that was; None where that
            is not known, as of artifacts of earlier releases.
    """

    stage: str
    state: str
    seconds: float
    bytes: int
    uri: str
    cached: bool
    made_s: float | None


class Runner:
    """Runs the stages of one tyre against one store, and remembers how they went.

    Args:
        store: Where artifacts lie.
        tyre: Name of the tyre, for the tasks' names and events.
        device: The device that networks run on.
        tasks: Tasks that make a stage's artifact in another way than in this process, such as
            by a deployment; they take what :meth:`Stage.task` takes.
    """

    def __init__(
        self,
        store: ArtifactStore,
        tyre: str,
        device: str,
        tasks: Mapping[str, StageTask] | None = None,
    ) -> None:
        self.store = store
        self.outcomes: list[Outcome] = []
        self.versions: dict[str, str] = {}
        self.parameters: dict[str, Any] = {}
        self._tyre = tyre
        self._device = device
        self._tasks = tasks or {}

    def __call__(
        self, stage: Stage[C, P], config: C, *args: P.args, **inputs: P.kwargs
    ) -> ArtifactRef:
        """Run a stage, or find that it was done before.

        Prefect's cache and the store are reconciled here: a cached reference whose artifact is
        gone or damaged is noticed, and the artifact is made again.

        Args:
            stage: The stage.
            config: Its parameters.
            args: None; inputs are passed by name.
            inputs: All its inputs; their digests make the artifact's key.
        """
        started = time.perf_counter()
        name = stage.name
        report(name, 0, 0)
        self.state(stage, config)
        key = stage.key(config, *args, **inputs)
        arguments = {
            "key": key,
            "tyre": self._tyre,
            "config": config,
            "inputs": inputs,
            "device": self._device,
            "store": self.store,
        }
        task = self._tasks.get(name) or stage.task()
        state = cast(State[Any], task(return_state=True, **arguments))
        ref = stage.ref_of(state)
        if not self.store.intact(ref):
            again = task.with_options(refresh_cache=True)
            state = cast(State[Any], again(return_state=True, **arguments))
            ref = stage.ref_of(state)
        seconds = round(time.perf_counter() - started, 3)
        cached = state.name == CACHED_STATE
        made_s = self.store.seconds_to_make(ref)
        outcome = Outcome(name.value, state.name or "", seconds, ref.size, ref.uri, cached, made_s)
        self.outcomes.append(outcome)
        details = (name, state.name, seconds, ref.size, key[:12])
        _log.info("%s: %s, %.1f s, %d bytes, key %s", *details)
        emit_stage_event(self._tyre, outcome.stage, outcome.state, seconds, ref.uri)
        return ref

    def state(self, stage: Stage[C, P], config: C) -> None:
        """Put a stage's code and parameters on record; a run of the stage does so by itself.

        The last stage writes them into the result, its own among them, so they are stated first.
        """
        self.versions[stage.name.value] = stage.version
        self.parameters[stage.name.value] = config.model_dump(mode="json")
