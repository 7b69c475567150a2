"""The report on a tyre, put together at the end of a run: no run fails for want of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import Tyre3dError
from tasks.report.page import report_page
from tasks.stages.make_report import CONTENT_FILE, PREVIEW_GLB_FILE
from tasks.storage.artifacts import ArtifactRef, ArtifactStore

_log = logging.getLogger("tyre3d")
MISSING = "there is no report on this tyre: it could not be made"


@dataclass(frozen=True)
class Reported:
    """What the stage *report* left.

    Args:
        content: What the page shows beside the metadata.
        preview: The preview GLB.
        figures: How large the preview is, and how far from the full mesh.
    """

    content: dict[str, Any]
    preview: bytes
    figures: dict[str, Any]


def reported(make: Callable[[], ArtifactRef], store: ArtifactStore) -> Reported | None:
    """Run the stage *report* and read what it left.

    Args:
        make: Runs the stage.
        store: Where its artifact lies.

    Returns:
        None where the stage failed: the mesh is there, and is worth more than its report.
    """
    try:
        artifact = store.open(make())
        return Reported(
            json.loads((artifact.folder / CONTENT_FILE).read_text()),
            (artifact.folder / PREVIEW_GLB_FILE).read_bytes(),
            artifact.record["preview"],
        )
    except Tyre3dError as exc:
        if exc.retryable:  # a store that is away is away for the mesh, too
            raise
        _tell(exc)
    except Exception as exc:  # noqa: BLE001  the mesh is there, whatever becomes of its report
        _tell(exc)
    return None


def page_of(name: str, metadata: dict[str, Any], report: Reported | None) -> str | None:
    """The report's page, None where there is none.

    Args:
        name: Name of the tyre.
        metadata: What lies beside the GLB.
        report: From :func:`reported`.
    """
    if report is None:
        return None
    try:
        return report_page(name, metadata, report.content, report.preview)
    except Exception as exc:  # noqa: BLE001  likewise
        _tell(exc)
        return None


def _tell(exc: Exception) -> None:
    _log.warning("%s (%s: %s)", MISSING, type(exc).__name__, exc)
