"""The report on a tyre, put together at the end of a run: no run fails for want of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tasks.core.errors import Tyre3dError
from tasks.report.page import report_page
from tasks.stages.make_report import CONTENT_FILE
from tasks.storage.artifacts import ArtifactRef, ArtifactStore

_log = logging.getLogger("tyre3d")
MISSING = "there is no report on this tyre: it could not be made"


def reported(make: Callable[[], ArtifactRef], store: ArtifactStore) -> dict[str, Any] | None:
    """Run the stage *report* and read what it left.

    Args:
        make: Runs the stage.
        store: Where its artifact lies.

    Returns:
        What the page shows beside the metadata; None where the stage failed: the mesh is there, and
        is worth more than its report.
    """
    try:
        artifact = store.open(make())
        return dict(json.loads((artifact.folder / CONTENT_FILE).read_text()))
    except Tyre3dError as exc:
        if exc.retryable:  # a store that is away is away for the mesh, too
            raise
        _log_missing(exc)
    except Exception as exc:  # noqa: BLE001  the mesh is there, whatever becomes of its report
        _log_missing(exc)
    return None


def page_of(
    name: str, metadata: dict[str, Any], content: dict[str, Any] | None, levels: Mapping[str, bytes]
) -> str | None:
    """The report's page, None where there is none.

    Args:
        name: Name of the tyre.
        metadata: What lies beside the GLB.
        content: From :func:`reported`.
        levels: As of :func:`tasks.report.page.report_page`.
    """
    if content is None:
        return None
    try:
        return report_page(name, metadata, content, levels)
    except Exception as exc:  # noqa: BLE001  likewise
        _log_missing(exc)
        return None


def _log_missing(exc: Exception) -> None:
    _log.warning("%s (%s: %s)", MISSING, type(exc).__name__, exc)
