"""Write one mesh as binary glTF 2.0.

Colours go out as 16-bit linear values: eight bits are too few for black rubber, whose linear
values lie below 3 of 255. Beside a texture they are an attribute of our own, ``_COLOR_0``: a viewer
multiplies ``COLOR_0`` with the texture, as glTF has it, and black rubber would be black twice.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.imaging.srgb import linear_from_srgb
from tasks.mesh.meshopt_views import EXTENSION, packed_view

_MAGIC, _VERSION, _JSON, _BIN = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
_ARRAY_BUFFER, _INDEX_BUFFER = 34962, 34963
BYTE, SHORT, USHORT, UINT, FLOAT = 5120, 5122, 5123, 5125, 5126
"""Types of components, as glTF numbers them."""
_LINEAR, _LINEAR_MIPMAP_LINEAR, _REPEAT, _CLAMP_TO_EDGE = 9729, 9987, 10497, 33071


@dataclass(frozen=True)
class Texture:
    """An image of a mesh's colours, and where its vertices lie in it.

    Args:
        uv: ``(V, 2)`` float32, from the image's left and top edge, in its widths and heights;
            beyond the right edge the image repeats.
        image: Content of a JPEG or PNG file, sRGB.
        mime_type: ``image/jpeg`` or ``image/png``.
    """

    uv: NDArray[np.float32]
    image: bytes
    mime_type: str = "image/jpeg"


@dataclass(frozen=True)
class GlbMesh:
    """What is written.

    Args:
        vertices: ``(V, 3)`` metres, Y up.
        faces: ``(F, 3)`` wound outwards.
        normals: ``(V, 3)`` unit.
        colours: ``(V, 3)`` uint8, sRGB.
        attributes: ``(V,)`` each, by name; written as float32 under ``_NAME``.
        texture: Colours finer than those of the vertices; None for none.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.integer[Any]]
    normals: NDArray[np.float32]
    colours: NDArray[np.uint8]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    texture: Texture | None = None


class GlbBuffer:
    """Collects accessors, each in a view of its own, aligned to four bytes.

    Args:
        compressed: Whether views are compressed by EXT_meshopt_compression; floating-point numbers
            are then rounded to 18 bits of the largest.
    """

    def __init__(self, *, compressed: bool = False) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self._compressed = compressed
        self._plain_bytes = 0

    @property
    def buffers(self) -> list[dict[str, Any]]:
        """What the document says of its buffers: the second stands for what was compressed."""
        stored: list[dict[str, Any]] = [{"byteLength": len(self.data)}]
        if self._compressed:
            fallback = {"extensions": {EXTENSION: {"fallback": True}}}
            stored.append({"byteLength": self._plain_bytes, **fallback})
        return stored

    def add(self, array: NDArray[Any], kind: str, component: int, **extra: Any) -> int:
        """Add an attribute of the vertices, ``(V,)`` or ``(V, N)``, or indices of any shape.

        Elements of an attribute begin at multiples of four bytes, as glTF wants; an array whose
        are shorter is padded.

        Args:
            array: Values of the component's type, little-endian.
            kind: Type of the accessor, such as ``VEC3``.
            component: Component's type, as glTF numbers it.
            extra: Further properties of the accessor.

        Returns:
            The accessor's index.
        """
        indices = kind == "SCALAR" and component in (UINT, USHORT) and "normalized" not in extra
        rows: NDArray[Any]
        if indices:
            rows, count = array.reshape(-1), array.size
            view: dict[str, Any] = {"target": _INDEX_BUFFER}
        else:
            rows, count = array.reshape(len(array), -1), len(array)
            short = -rows.shape[1] * rows.itemsize % 4 // rows.itemsize
            rows = np.pad(rows, ((0, 0), (0, short)))
            view = {"target": _ARRAY_BUFFER}
            if short or self._compressed:
                view["byteStride"] = rows.shape[1] * rows.itemsize
        self._store(np.ascontiguousarray(rows), view, component == FLOAT, indices)
        self.accessors.append(
            {
                "bufferView": len(self.views) - 1,
                "componentType": component,
                "count": count,
                "type": kind,
                **extra,
            }
        )
        return len(self.accessors) - 1

    def _store(self, rows: NDArray[Any], view: dict[str, Any], floats: bool, indices: bool) -> None:
        content, location = rows.tobytes(), {"buffer": 0, "byteOffset": len(self.data)}
        view |= {**location, "byteLength": len(content)}
        if self._compressed:
            view |= {"buffer": 1, "byteOffset": self._plain_bytes}
            self._plain_bytes += len(content) + -len(content) % 4
            content, extension = packed_view(rows, floats=floats, indices=indices)
            view["extensions"] = {EXTENSION: {**location, "byteLength": len(content), **extension}}
        self.views.append(view)
        self.data += content + b"\0" * (-len(content) % 4)

    def add_file(self, content: bytes) -> int:
        """Add a file, such as an image; returns the index of its view."""
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)})
        self.data += content + b"\0" * (-len(content) % 4)
        return len(self.views) - 1


def encode_glb(mesh: GlbMesh, *, name: str, generator: str, extras: Mapping[str, Any]) -> bytes:
    """The bytes of a GLB with one node.

    Args:
        mesh: What to write.
        name: Name of the node and of the mesh.
        generator: Value of ``asset.generator``.
        extras: Value of ``asset.extras``, plain JSON types.
    """
    buffer = GlbBuffer()
    vertices = mesh.vertices.astype("<f4")
    opaque = np.ones((len(vertices), 4))
    opaque[:, :3] = linear_from_srgb(mesh.colours / 255.0)
    attributes = {
        "POSITION": buffer.add(
            vertices,
            "VEC3",
            FLOAT,
            min=[float(v) for v in vertices.min(axis=0)],
            max=[float(v) for v in vertices.max(axis=0)],
        ),
        "NORMAL": buffer.add(mesh.normals.astype("<f4"), "VEC3", FLOAT),
        "COLOR_0" if mesh.texture is None else "_COLOR_0": buffer.add(
            np.rint(opaque * 65535).astype("<u2"), "VEC4", USHORT, normalized=True
        ),
    }
    for key, values in mesh.attributes.items():
        attributes[f"_{key.upper()}"] = buffer.add(values.astype("<f4"), "SCALAR", FLOAT)
    if mesh.texture is not None:
        attributes["TEXCOORD_0"] = buffer.add(mesh.texture.uv.astype("<f4"), "VEC2", FLOAT)
    indices = buffer.add(mesh.faces.astype("<u4").reshape(-1), "SCALAR", UINT)
    document = {
        "asset": {"version": "2.0", "generator": generator, "extras": dict(extras)},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}],
        "meshes": [
            {
                "name": name,
                "primitives": [{"attributes": attributes, "indices": indices, "material": 0}],
            }
        ],
        **_materials(mesh.texture, buffer),
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": buffer.buffers,
    }
    return pack_glb(document, bytes(buffer.data))


def pack_glb(document: Mapping[str, Any], data: bytes) -> bytes:
    """A GLB of its JSON document and its binary chunk, whose length is a multiple of four."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    return b"".join(
        [
            struct.pack("<III", _MAGIC, _VERSION, total),
            struct.pack("<II", len(text), _JSON),
            text,
            struct.pack("<II", len(data), _BIN),
            data,
        ]
    )


def _materials(texture: Texture | None, buffer: GlbBuffer) -> dict[str, Any]:
    """The parts of the document that say how the surface looks."""
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.9}
    if texture is None:
        return {"materials": [{"name": "rubber", "pbrMetallicRoughness": surface}]}
    surface["baseColorTexture"] = {"index": 0}
    view = buffer.add_file(texture.image)
    return {
        "materials": [{"name": "rubber", "pbrMetallicRoughness": surface}],
        "textures": [{"source": 0, "sampler": 0}],
        "images": [{"name": "colours", "bufferView": view, "mimeType": texture.mime_type}],
        "samplers": [
            {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _REPEAT,
                "wrapT": _CLAMP_TO_EDGE,
            }
        ],
    }


def document_of(content: bytes) -> dict[str, Any]:
    """The JSON document of a GLB.

    Raises:
        ValueError: If it is no complete GLB.
    """
    if len(content) < 20:
        raise ValueError("too short for a GLB")
    magic, version, total, length, kind = struct.unpack("<IIIII", content[:20])
    if (magic, version, kind) != (_MAGIC, _VERSION, _JSON) or total != len(content):
        raise ValueError("not a complete GLB")
    return dict(json.loads(content[20 : 20 + length]))
