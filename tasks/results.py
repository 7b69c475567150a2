"""What a user gets: GLB and metadata, completely or not at all. Imports nothing heavy."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.errors import InputError
from tasks.objects import storage_errors


def check_writable(glb_path: Path) -> None:
    """Make sure, before anything is computed, that the results can be written.

    Raises:
        InputError: ``output-unwritable``.
    """
    folder = glb_path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{uuid.uuid4().hex}.part"
        try:
            probe.write_bytes(b"tyre3d")
        finally:
            probe.unlink(missing_ok=True)
        if glb_path.is_dir():
            raise IsADirectoryError(21, "a folder has this name", str(glb_path))
    except OSError as exc:
        raise InputError(
            "output-unwritable",
            stage="export",
            what=f"{glb_path} cannot be written ({exc.strerror})",
            advice="Choose another folder with --out",
        ) from exc


def write_result(glb_path: Path, glb: bytes, metadata: Mapping[str, Any]) -> None:
    """Write GLB and metadata beside each other, each completely or not at all, the GLB last."""
    text = json.dumps(metadata, indent=2, ensure_ascii=False).encode() + b"\n"
    pairs = [(glb_path.with_suffix(".json"), text), (glb_path, glb)]
    with storage_errors(str(glb_path.parent)):
        parts = []
        try:
            for path, content in pairs:
                part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
                parts.append((part, path))
                with part.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            for part, path in parts:
                part.replace(path)
        finally:
            for part, _ in parts:
                part.unlink(missing_ok=True)
