"""Progress of a deployed run, as an artifact that Prefect's UI and the API show."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext

from configs.progress import SHARES, share_before
from flows.support.stage_times import Pace
from tasks.core.progress import listening

_log = logging.getLogger("tyre3d")
_EVERY_S = 1.5
_MOVED_EVERY_S = 5.0


class RunProgress:
    """A listener that keeps one progress artifact up to date; never fails a run.

    Args:
        expected: Seconds that each stage took in earlier runs; empty: not known.
    """

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._artifact: UUID | None = None
        self._pace = Pace(expected)
        self._stage = ""
        self._published_at = self._shown = 0.0
        self._start, self._share = 0.0, 1.0
        self._lock = threading.RLock()

    def within(self, start: float, share: float) -> None:
        """Count what follows as a part of the run.

        Args:
            start: Share of the run that lies before.
            share: How much of the run the part takes, 0 to 1.
        """
        self._start, self._share = start, share

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that ``stage`` has done ``done`` of ``total`` steps, as listeners are told."""
        if stage not in SHARES:
            return
        with self._lock:
            now = time.monotonic()
            begins = stage != self._stage
            if begins:
                self._stage = stage
                self._pace.begin(stage, now)
            self._pace.step(done, total, now)
            if begins or now >= self._published_at + _EVERY_S:
                self._publish_share(now)

    def move(self) -> None:
        """Move on with the time that was spent, where the stage tells of no steps."""
        with self._lock:
            now = time.monotonic()
            if self._artifact is not None and now >= self._published_at + _MOVED_EVERY_S:
                self._publish_share(now)

    def _publish_share(self, now: float) -> None:
        self._published_at = now
        share = share_before(self._stage) + SHARES[self._stage] * self._pace.share_of_stage(now)
        self.publish(self._start + self._share * share, self._stage)

    def publish(self, share: float, stage: str) -> None:
        """Write ``share`` (0..1) and ``stage`` into the artifact."""
        try:
            self._shown = max(self._shown, share)  # it never goes back
            percent = round(100.0 * self._shown, 1)
            if self._artifact is None:
                made = create_progress_artifact(percent, description=stage)
                self._artifact = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(self._artifact, percent, description=stage)
        except Exception as exc:  # noqa: BLE001  whatever the server says, the run goes on
            _log.debug("progress could not be published: %s", exc)


def is_deployed() -> bool:
    """Whether the run comes from a deployment; `prefect.runtime` would ask the server."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return run is not None and run.deployment_id is not None


@contextlib.contextmanager
def report_to_prefect(
    expected: Mapping[str, float] = MappingProxyType({}),
) -> Iterator[RunProgress]:
    """Within this block stages report to Prefect, where the run comes from a deployment.

    A run of one's own shell has its progress there, and is spared the requests.

    Args:
        expected: Seconds that each stage took in earlier runs; empty: not known.
    """
    progress = RunProgress(expected)
    if not is_deployed():
        yield progress
        return
    _log.setLevel(logging.INFO)  # Prefect adds its handler to the logger, and no level
    with listening(progress), _moving(progress):
        yield progress
    progress.publish(1.0, "done")


@contextlib.contextmanager
def _moving(progress: RunProgress) -> Iterator[None]:
    ended = threading.Event()

    def move() -> None:
        while not ended.wait(_MOVED_EVERY_S):
            progress.move()

    clock = threading.Thread(target=contextvars.copy_context().run, args=(move,), daemon=True)
    clock.start()
    try:
        yield
    finally:
        ended.set()
        clock.join()
