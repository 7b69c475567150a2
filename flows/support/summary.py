"""The page that a finished run shows in Prefect's UI."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact

from configs.locations import as_location
from configs.settings import Settings
from flows.support.events import slug
from flows.support.links import address_of
from flows.support.page import escaped, summary

_log = logging.getLogger("tyre3d")


_LINKED = {"report": "report_path", "GLB": "output_path"}


def links_to(metadata: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    """Web addresses of report and GLB, as far as there are any.

    Args:
        metadata: A run's metadata.
        settings: How storage is reached.
    """
    found = {}
    for label, key in _LINKED.items():
        location = metadata.get(key)
        if location and (address := address_of(as_location(location), settings)):
            found[label] = address
    return found


def publish_summary(
    tyre: str, metadata: Mapping[str, Any], content: Mapping[str, Any], settings: Settings
) -> None:
    """Put a page with images into Prefect's UI; never fails a run.

    Args:
        tyre: Name of the tyre.
        metadata: The run's metadata.
        content: What the report shows beside them; empty where there is no report.
        settings: How storage is reached.
    """
    try:
        page = summary(tyre, metadata, content, links_to(metadata, settings))
        key, about = f"tyre-{slug(tyre)}", f"Mesh of {escaped(tyre)}"
        create_markdown_artifact(page, key=key, description=about)
    except Exception as exc:  # noqa: BLE001  the result is there, whatever becomes of its image
        _log.warning("no summary in Prefect's UI: %s: %s", type(exc).__name__, exc)
