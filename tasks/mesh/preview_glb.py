"""A small GLB that stands for a full one on the web: fewer faces, quantised, texture reduced.

Borders of a texture's charts stay where they are. Where there are so many of them that no mesh with
its texture fits, vertex colours take the texture's place.

Positions are 16-bit steps of the largest coordinate (hundredths of a millimetre on a tyre), normals
8-bit (KHR_mesh_quantization, which every current viewer reads without a decoder). Attributes keep
the names and units of the full file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np

from tasks.imaging.images import decode_embedded, encode_image
from tasks.imaging.resizing import bounded
from tasks.mesh.glb import BYTE, FLOAT, SHORT, UINT, USHORT, GlbBuffer, pack_glb
from tasks.mesh.normals import vertex_normals
from tasks.mesh.reading import FloatArray, ReadMesh, read_glb
from tasks.mesh.simplified import Deviation, Simplified, deviation, simplify

_BYTES_PER_VERTEX = 8 + 4 + 8 + 3 * 4
_ROUNDS = 12
_TEXTURE_SHARE = 0.45
"""Of the file's bytes, at most this goes to the texture."""


@dataclass(frozen=True)
class Preview:
    """A preview and what it lost.

    Args:
        content: The GLB.
        num_vertices: Its vertices.
        num_faces: Its faces.
        lost: How far the full mesh's vertices are from its surface.
    """

    content: bytes
    num_vertices: int
    num_faces: int
    lost: Deviation

    def figures(self) -> dict[str, Any]:
        """What a record says of it, in plain JSON types."""
        return {
            "bytes": len(self.content),
            "num_vertices": self.num_vertices,
            "num_faces": self.num_faces,
            "error_mean_mm": round(self.lost.mean_mm, 4),
            "error_p99_mm": round(self.lost.p99_mm, 4),
            "error_max_mm": round(self.lost.max_mm, 4),
        }


def preview_glb(content: bytes, max_bytes: int) -> Preview:
    """The preview of a GLB.

    Args:
        content: The full GLB.
        max_bytes: Bound of the preview's size.

    Raises:
        ValueError: The GLB cannot be read, or says so much of its origin that nothing is left for
            the mesh.
    """
    full = read_glb(content)
    image = _small_texture(full, round(_TEXTURE_SHARE * max_bytes))
    closed = _without_charts(full)
    on_borders = 2 * (len(full.vertices) - len(closed.vertices))  # at least, and each stays
    found = None
    if full.uv is None or on_borders * _BYTES_PER_VERTEX + len(image or b"") < max_bytes:
        found = _fitted(full, image, max_bytes)
    if found is None and full.uv is not None:
        found = _fitted(closed, None, max_bytes)
    if found is None:
        raise ValueError(f"no mesh fits into {max_bytes} bytes")
    return found


def _fitted(full: ReadMesh, image: bytes | None, max_bytes: int) -> Preview | None:
    """The preview of as many faces as there is room for; None where there is none at all."""
    rest = max_bytes - len(image or b"") - 2048
    target = int(rest / (0.5 * _BYTES_PER_VERTEX + 6))  # half a vertex and three indices a face
    fewest = len(full.vertices) + 1
    for _ in range(_ROUNDS):
        simple = simplify(full.vertices, full.faces, max(target, 4))
        written = _encode(full, simple, image, None)
        if len(written) + 512 <= max_bytes:
            lost = deviation(full.vertices, simple.vertices, simple.faces)
            final = _encode(full, simple, image, lost)
            return Preview(final, len(simple.vertices), len(simple.faces), lost)
        if len(simple.vertices) >= fewest:
            break  # what is left are the borders of charts, which stay where they are
        fewest = len(simple.vertices)
        target = int(0.95 * target * min(1.0, max_bytes / len(written)))
    return None


def _without_charts(full: ReadMesh) -> ReadMesh:
    """The mesh without its texture, closed where charts cut it open; its vertices keep colours."""
    vertices, first, place = np.unique(
        full.vertices, axis=0, return_index=True, return_inverse=True
    )
    faces = place.reshape(-1)[full.faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return replace(
        full,
        vertices=vertices,
        faces=faces[whole].astype(np.int32),
        normals=None if full.normals is None else full.normals[first],
        colours=None if full.colours is None else full.colours[first],
        uv=None,
        texture=None,
        attributes={name: values[first] for name, values in full.attributes.items()},
    )


def _small_texture(full: ReadMesh, max_bytes: int) -> bytes | None:
    """The texture as a JPEG of bounded size; None where there is none that can be read."""
    if full.texture is None:
        return None
    image = decode_embedded(full.texture)
    if image is None:
        return None
    for side in (2048, 1448, 1024, 724, 512, 256):
        small = encode_image(".jpg", bounded(image, side), [cv2.IMWRITE_JPEG_QUALITY, 82])
        if len(small) <= max_bytes:
            return small
    return None


def _encode(
    full: ReadMesh, simple: Simplified, image: bytes | None, lost: Deviation | None
) -> bytes:
    buffer = GlbBuffer()
    scale = max(float(np.abs(simple.vertices).max()), 1e-9) / 32767.0
    steps = np.rint(simple.vertices / scale).astype("<i2")
    normals = _normals(full, simple)
    bounds = {n: [int(v) for v in getattr(steps, n)(axis=0)] for n in ("min", "max")}
    attributes = {
        "POSITION": buffer.add(steps, "VEC3", SHORT, **bounds),
        "NORMAL": buffer.add(np.rint(127 * normals).astype("<i1"), "VEC3", BYTE, normalized=True),
    }
    if full.colours is not None:
        colours = np.rint(65535 * simple.mean_of(full.colours)).astype("<u2")
        textured = image is not None and full.uv is not None
        name = "_COLOR_0" if textured else "COLOR_0"
        attributes[name] = buffer.add(colours, "VEC4", USHORT, normalized=True)
    for name, values in full.attributes.items():
        kept = simple.nearest_of(values, full.vertices).astype("<f4")
        attributes[f"_{name.upper()}"] = buffer.add(kept, "SCALAR", FLOAT)
    material: dict[str, Any] = {
        "name": "rubber",
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
    }
    document: dict[str, Any] = {}
    if image is not None and full.uv is not None:
        uv = simple.nearest_of(full.uv, full.vertices).astype("<f4")
        attributes["TEXCOORD_0"] = buffer.add(uv, "VEC2", FLOAT)
        document["images"] = [{"bufferView": buffer.add_file(image), "mimeType": "image/jpeg"}]
        document["textures"] = [{"source": 0}]
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    small = len(simple.vertices) < 65535
    indices = buffer.add(
        simple.faces.astype("<u2" if small else "<u4").reshape(-1),
        "SCALAR",
        USHORT if small else UINT,
    )
    name = _name_of(full)
    document |= {
        "asset": {
            "version": "2.0",
            "generator": full.document["asset"].get("generator", "Tyre3D"),
            "extras": {**_brief(full.extras), "preview": asdict(lost) if lost else {}},
        },
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0, "scale": [scale] * 3}],
        "meshes": [
            {
                "name": name,
                "primitives": [{"attributes": attributes, "indices": indices, "material": 0}],
            }
        ],
        "materials": [material],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return pack_glb(document, bytes(buffer.data))


def _brief(extras: Mapping[str, Any]) -> dict[str, Any]:
    """Of where the mesh comes from, what a preview repeats: the full file has all."""
    kept = ("input", "model", "verdict", "reasons", "scale", "frame_of_reference")
    return {name: extras[name] for name in kept if name in extras}


def _name_of(full: ReadMesh) -> str:
    nodes = full.document.get("nodes", [])
    return next((n["name"] for n in nodes if "mesh" in n and "name" in n), "tyre")


def _normals(full: ReadMesh, simple: Simplified) -> FloatArray:
    """Unit normals: those of the full mesh, merged, so that charts meet without a crease."""
    normals = full.normals
    if normals is None:
        normals = vertex_normals(full.vertices, full.faces)
    merged = simple.mean_of(normals)
    length = np.linalg.norm(merged, axis=1, keepdims=True)
    merged = np.where(length > 1e-9, merged / np.maximum(length, 1e-9), (0.0, 0.0, 1.0))
    return np.asarray(merged)
