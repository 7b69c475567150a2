"""What a finished run shows in Prefect's UI, and the events that automations can wait for."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from flows.support.page import summary
from tasks.imaging.images import read_image
from tasks.records import ArtifactRef
from tasks.stages.export_glb import PREVIEW_FILE
from tasks.stages.extract_frames import candidates_of
from tasks.stages.select_frames import chosen_indices
from tasks.storage.artifacts import ArtifactStore

_log = logging.getLogger("tyre3d")
UPLOADED = "tyre3d.uploaded"
"""The event that the deployment ``incoming`` is triggered by."""
STAGE_FINISHED = "tyre3d.stage.finished"


def slug(name: str) -> str:
    """A name as Prefect wants it in keys: ``[a-z0-9-]``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "tyre"


def tell_summary(
    tyre: str,
    metadata: dict[str, Any],
    store: ArtifactStore,
    *,
    frames: ArtifactRef,
    selection: ArtifactRef,
    exported: ArtifactRef,
) -> None:
    """Put a page with pictures into Prefect's UI; never fails a run."""
    try:
        extracted = store.open(frames)
        files = {c.index: c.file for c in candidates_of(extracted.record)}
        chosen = chosen_indices(store.open(selection).record)
        pictures = {i: read_image(extracted.folder / files[i]) for i in chosen}
        views = read_image(store.open(exported).folder / PREVIEW_FILE)
        page = summary(tyre, metadata, pictures, views)
        create_markdown_artifact(page, key=f"tyre-{slug(tyre)}", description=f"Mesh of {tyre}")
    except Exception as exc:  # noqa: BLE001  the result is there, whatever becomes of its picture
        _log.warning("no summary in Prefect's UI: %s: %s", type(exc).__name__, exc)


def tell_stage(tyre: str, stage: str, state: str, seconds: float, uri: str) -> None:
    """Emit the event of a finished stage."""
    emit_event(
        STAGE_FINISHED,
        resource={
            "prefect.resource.id": f"tyre3d.tyre.{slug(tyre)}",
            "prefect.resource.name": tyre,
            "tyre3d.stage": stage,
        },
        payload={"stage": stage, "state": state, "seconds": seconds, "uri": uri},
    )


def announce_uploads(places: Sequence[str]) -> None:
    """Emit the event of each upload; the deployment ``incoming`` can be triggered by it."""
    from prefect.events.worker import EventsWorker

    for place in places:
        emit_event(
            UPLOADED,
            resource={
                "prefect.resource.id": f"tyre3d.upload.{slug(place)}",
                "prefect.resource.name": place,
            },
            payload={"place": place},
        )
    EventsWorker.instance().drain()
