"""What is in a GLB, in plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.report.result_files import FoundResult, mesh_of


def info_of(result: FoundResult) -> dict[str, Any]:
    """Counts, size, contents, digest, and where the mesh comes from as far as the file says so.

    Args:
        result: The GLB; what lies beside it only tells whether the GLB is the one it speaks of.

    Returns:
        Plain JSON types; ``unchanged`` is None where no metadata lie beside the GLB.

    Raises:
        InputError: ``glb-unreadable``.
    """
    mesh = mesh_of(result)
    digest = hashlib.sha256(result.glb).hexdigest()
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    stated = result.metadata.get("glb_sha256")
    return {
        "file": str(result.location),
        "bytes": len(result.glb),
        "sha256": digest,
        "unchanged": None if stated is None else stated == digest,
        "num_vertices": len(np.unique(mesh.vertices, axis=0)),
        "num_faces": len(mesh.faces),
        "num_written_vertices": len(mesh.vertices),
        "size_mm": [round(1000.0 * float(s), 3) for s in high - low],
        "attributes": _attributes(mesh.document),
        "texture": _texture(mesh.texture),
        "extensions": sorted(mesh.document.get("extensionsUsed", [])),
        "generator": mesh.document["asset"].get("generator", ""),
        "share_inferred": _mean(mesh.attributes.get("inferred")),
        **{key: mesh.extras[key] for key in _ORIGIN if key in mesh.extras},
    }


_ORIGIN = (
    *("verdict", "reasons", "retake", "warnings"),
    *("input", "model", "scale", "poses", "frames", "code", "detail"),
)


def _attributes(document: Mapping[str, Any]) -> list[str]:
    primitives = [p for mesh in document["meshes"] for p in mesh["primitives"]]
    return sorted({name for primitive in primitives for name in primitive["attributes"]})


def _texture(content: bytes | None) -> dict[str, Any] | None:
    """Size of the base-colour texture; pixels are 0 where its file cannot be decoded."""
    if content is None:
        return None
    from tasks.imaging.images import decode_embedded

    image = decode_embedded(content)
    height, width = (0, 0) if image is None else image.shape[:2]
    return {"bytes": len(content), "width_px": width, "height_px": height}


def _mean(values: Any) -> float | None:
    return None if values is None or not len(values) else round(float(values.mean()), 4)
