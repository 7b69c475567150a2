"""Scores of subjects on disk: kept under the key of all that they depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def kept_scores(path: Path, key: str) -> dict[str, Any] | None:
    """The scores of an earlier evaluation, None if there are none under this key.

    Args:
        path: File of one subject's scores.
        key: Digest of all that they depend on.
    """
    try:
        record = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return record["scores"] if record.get("key") == key else None


def keep_scores(path: Path, key: str, scores: Mapping[str, Any]) -> None:
    """Write the scores of a subject, completely or not at all; arguments as of `kept_scores`."""
    write_json(path, {"key": key, "scores": dict(scores)})


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON completely or not at all; NumPy's numbers become plain ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(content, indent=1, default=float))
    scratch.replace(path)
