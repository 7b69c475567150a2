"""The events that automations of a Prefect server can wait for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from prefect.events import emit_event

UPLOADED = "tyre3d.uploaded"
"""The event that the deployment ``incoming`` is triggered by."""
STAGE_FINISHED = "tyre3d.stage.finished"
FIRST_WORD = "tyre3d.first-word"
_LONGEST = 100
"""Characters of a name that a key shows."""


def slug(name: str) -> str:
    """A name as Prefect wants it in keys, ``[a-z0-9-]``, another for every other name.

    It has 109 characters at most.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "tyre"
    if plain == name and len(name) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST]}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def emit_stage_event(tyre: str, stage: str, state: str, seconds: float, uri: str) -> None:
    """Emit the event of a finished stage.

    Args:
        tyre: Name of the tyre.
        stage: Name of the stage.
        state: Prefect's name of the task's state.
        seconds: How long it took.
        uri: The artifact's manifest.
    """
    emit_event(
        STAGE_FINISHED,
        resource={
            "prefect.resource.id": f"tyre3d.tyre.{slug(tyre)}",
            "prefect.resource.name": tyre,
            "tyre3d.stage": stage,
        },
        payload={"stage": stage, "state": state, "seconds": seconds, "uri": uri},
    )


def emit_first_word(tyre: str, verdict: str, codes: Sequence[str]) -> None:
    """Emit the event of the first word on a film.

    Args:
        tyre: Name of the tyre.
        verdict: ``pass``, ``review`` or ``fail``, of the film alone.
        codes: Codes of its reasons.
    """
    emit_event(
        FIRST_WORD,
        resource={
            "prefect.resource.id": f"tyre3d.tyre.{slug(tyre)}",
            "prefect.resource.name": tyre,
        },
        payload={"verdict": verdict, "reasons": list(codes)},
    )


def announce_uploads(locations: Sequence[str]) -> None:
    """Emit the event of each upload; the deployment ``incoming`` can be triggered by it.

    Args:
        locations: Paths or ``s3://`` addresses of the uploaded videos.
    """
    from prefect.events.worker import EventsWorker

    for location in locations:
        emit_event(
            UPLOADED,
            resource={
                "prefect.resource.id": f"tyre3d.upload.{slug(location)}",
                "prefect.resource.name": location,
            },
            payload={"location": location},
        )
    EventsWorker.instance().drain()
