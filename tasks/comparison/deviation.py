"""The change on the new tyre's mesh, and both tyres in one frame, as files for viewers."""

from __future__ import annotations

import json
import math
import struct
from importlib.metadata import version as package_version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tasks.comparison.change import Change
from tasks.comparison.scan import Scan
from tasks.geometry.similarity import Similarity
from tasks.mesh.glb import GlbMesh, encode_glb, pack_glb
from tasks.mesh.normals import vertex_normals

FloatArray = NDArray[np.float64]

LOSS = ("#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f")
GAIN = ("#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061")
"""From little to much; told apart by the colour-blind (Brewer and Harrower's RdBu)."""
BELOW, UNKNOWN = "#a9a9a9", "#5f6368"
"""Below what can be told; not compared."""
_LIMITS_MM = (1.0, 2.0, 2.5, 5.0, 10.0)
_NEAR = 0.035
"""What lies closer to the profile is of the outer surface, outer radii."""


def limit_mm(change: Change) -> float:
    """The end of the colours' scale, both ways: a round number that most of the change is below."""
    known = np.abs(change.cells[np.isfinite(change.cells)])
    most = 1000 * float(np.quantile(known, 0.98)) if len(known) else 0.0
    lod = 1000 * float(np.median(change.cell_lod))
    lod = lod if math.isfinite(lod) else 0.0
    return next((v for v in _LIMITS_MM if v >= 1.05 * max(most, lod)), _LIMITS_MM[-1])


def colours_of(change_m: FloatArray, lod_m: FloatArray, limit: float) -> NDArray[np.uint8]:
    """Colours ``(..., 3)`` sRGB of changes: grey within the level of detection, in steps beyond."""
    out = np.empty((*change_m.shape, 3), np.uint8)
    out[:] = _rgb(UNKNOWN)
    known = np.isfinite(change_m)
    out[known] = _rgb(BELOW)
    share = np.abs(np.nan_to_num(change_m)) * 1000 / limit
    step = np.clip((share * len(LOSS)).astype(int), 0, len(LOSS) - 1)
    significant = known & (np.abs(np.nan_to_num(change_m)) > lod_m)
    for sign, ramp in ((-1, LOSS), (1, GAIN)):
        here = significant & (sign * np.nan_to_num(change_m) > 0)
        out[here] = np.array([_rgb(c) for c in ramp], np.uint8)[step[here]]
    return out


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def deviation_glb(new: Scan, change: Change, record: dict[str, Any]) -> bytes:
    """The new tyre's mesh with the change at its vertices, and its colours baked in.

    Attributes: ``_DEVIATION`` (metres along the normal, minus is material lost), ``_LOD`` (metres),
    ``_SIGNIFICANT`` (0 or 1); 0 where nothing is compared.

    Args:
        new: The new tyre.
        change: How its surface changed.
        record: Stands in ``asset.extras``.
    """
    grid = change.grid
    arc, distance = grid.profile.unroll(new.vertices)
    row = arc / (grid.profile.length / grid.rows) - 0.5
    turn = np.arctan2(new.vertices[:, 0], new.vertices[:, 1]) / (2 * math.pi) % 1.0
    column = turn * grid.columns - 0.5
    outer = np.abs(distance) < _NEAR * float(grid.section[:, 0].max())
    outer &= (row > 0.5) & (row < grid.rows - 1.5)
    known = np.where(change.measured, change.fine, np.nan)
    at = np.stack([row, column])
    value = map_coordinates(known, at, order=0, mode="grid-wrap")
    share = (row + 0.5) / grid.rows * len(change.cell_lod) - 0.5
    lod = np.interp(share, np.arange(len(change.cell_lod)), change.cell_lod[:, 0])
    value = np.where(outer & np.isfinite(lod), value, np.nan)
    finite = np.isfinite(value)
    significant = finite & (np.abs(np.nan_to_num(value)) > lod)
    normals = vertex_normals(new.vertices, new.faces)
    normals[~normals.any(axis=1)] = (0.0, 0.0, 1.0)
    mesh = GlbMesh(
        new.vertices.astype(np.float32),
        new.faces,
        normals.astype(np.float32),
        colours_of(value, lod, limit_mm(change)),
        {
            "deviation": np.nan_to_num(value),
            "lod": np.nan_to_num(np.where(finite, lod, 0.0)),
            "significant": significant.astype(np.float32),
        },
    )
    return encode_glb(
        mesh,
        name="change",
        generator=f"Tyre3D {package_version('tyre3d')}",
        extras={"comparison": record},
    )


def placed_glb(content: bytes, transform: Similarity) -> bytes:
    """A GLB whose nodes are brought into another frame, so that viewers overlay it.

    Args:
        content: A GLB of ours: one node in the scene.
        transform: Its frame to the other.
    """
    length = struct.unpack("<I", content[12:16])[0]
    document = json.loads(content[20 : 20 + length])
    data = content[20 + length + 8 :]
    matrix = np.eye(4)
    matrix[:3, :3] = transform.scale * transform.rotation
    matrix[:3, 3] = transform.translation
    roots = document["scenes"][document.get("scene", 0)]["nodes"]
    document["nodes"].append({"name": "in the new tyre's frame", "children": roots})
    document["nodes"][-1]["matrix"] = [float(v) for v in matrix.T.ravel()]
    document["scenes"][document.get("scene", 0)]["nodes"] = [len(document["nodes"]) - 1]
    return pack_glb(document, data)
