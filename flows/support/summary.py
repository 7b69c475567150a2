"""The page that a finished run shows in Prefect's UI."""

from __future__ import annotations

import logging
from typing import Any

from prefect.artifacts import create_markdown_artifact

from flows.support.events import slug
from flows.support.page import summary
from tasks.imaging.images import read_image
from tasks.selection.choose import Selection
from tasks.stages.export_glb import PREVIEW_FILE
from tasks.storage.artifacts import ArtifactRef, ArtifactStore
from tasks.video.frames import Frames

_log = logging.getLogger("tyre3d")


def publish_summary(
    tyre: str,
    metadata: dict[str, Any],
    store: ArtifactStore,
    *,
    frames: ArtifactRef,
    selection: ArtifactRef,
    exported: ArtifactRef,
) -> None:
    """Put a page with images into Prefect's UI; never fails a run.

    Args:
        tyre: Name of the tyre.
        metadata: The run's metadata.
        store: Where its artifacts lie.
        frames: The candidate frames, rectified.
        selection: The choice among them.
        exported: The exported mesh, whose preview is shown.
    """
    try:
        chosen = Selection.read(store.open(selection)).chosen
        paths = Frames.read(store.open(frames)).paths(chosen)
        images = {index: read_image(path) for index, path in paths.items()}
        views = read_image(store.open(exported).folder / PREVIEW_FILE)
        page = summary(tyre, metadata, images, views)
        create_markdown_artifact(page, key=f"tyre-{slug(tyre)}", description=f"Mesh of {tyre}")
    except Exception as exc:  # noqa: BLE001  the result is there, whatever becomes of its picture
        _log.warning("no summary in Prefect's UI: %s: %s", type(exc).__name__, exc)
