"""Progress of a deployed run, as an artifact that Prefect's UI and the API show."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext

from configs.progress import SHARES, share_before
from tasks.core.progress import listening

_log = logging.getLogger("tyre3d")
_EVERY_S = 1.5


class RunProgress:
    """A listener that keeps one progress artifact up to date; never fails a run."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._stage = ""
        self._published_at = 0.0
        self._start, self._share = 0.0, 1.0

    def within(self, start: float, share: float) -> None:
        """Count what follows as a part of the run.

        Args:
            start: Share of the run that lies before.
            share: Of the run that the part takes.
        """
        self._start, self._share = start, share

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that ``stage`` has done ``done`` of ``total`` steps (0: unknown)."""
        now = time.monotonic()
        if stage not in SHARES or (stage == self._stage and now < self._published_at + _EVERY_S):
            return
        self._stage, self._published_at = stage, now
        share = share_before(stage) + SHARES[stage] * (min(done / total, 1.0) if total else 0.0)
        self.publish(self._start + self._share * share, stage)

    def publish(self, share: float, stage: str) -> None:
        """Write ``share`` (0..1) and ``stage`` into the artifact."""
        try:
            percent = round(100.0 * share, 1)
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
def report_to_prefect() -> Iterator[RunProgress]:
    """Within this block stages report to Prefect, where the run comes from a deployment.

    A run of one's own shell has its progress there, and is spared the requests.
    """
    progress = RunProgress()
    if not is_deployed():
        yield progress
        return
    _log.setLevel(logging.INFO)  # Prefect adds its handler to the logger, and no level
    with listening(progress):
        yield progress
    progress.publish(1.0, "done")
