"""The page that a finished run shows in Prefect's UI."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact

from flows.support.events import slug
from flows.support.page import summary

_log = logging.getLogger("tyre3d")


def publish_summary(tyre: str, metadata: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Put a page with images into Prefect's UI; never fails a run.

    Args:
        tyre: Name of the tyre.
        metadata: The run's metadata.
        content: What the report shows beside them; empty where there is no report.
    """
    try:
        page = summary(tyre, metadata, content)
        create_markdown_artifact(page, key=f"tyre-{slug(tyre)}", description=f"Mesh of {tyre}")
    except Exception as exc:  # noqa: BLE001  the result is there, whatever becomes of its picture
        _log.warning("no summary in Prefect's UI: %s: %s", type(exc).__name__, exc)
