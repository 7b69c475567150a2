"""A GLB's mesh as arrays: for previews, images and what is told of a file.

Reads what this project writes, and what other programs write alike: one or several triangle
meshes, of plain or quantised numbers, compressed by meshopt or not, with a base-colour texture in
PNG, JPEG or WebP. What another extension compresses is refused in words.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.mesh.glb import BYTE, FLOAT, SHORT, UINT, USHORT, document_of
from tasks.mesh.meshopt_views import EXTENSION, unpacked

FloatArray = NDArray[np.float64]

_UBYTE = 5121
_TYPES: dict[int, str] = {
    BYTE: "<i1",
    _UBYTE: "<u1",
    SHORT: "<i2",
    USHORT: "<u2",
    UINT: "<u4",
    FLOAT: "<f4",
}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_READABLE = frozenset(
    {"KHR_mesh_quantization", "KHR_materials_unlit", "EXT_texture_webp", EXTENSION}
)
_TRIANGLES = 4


@dataclass(frozen=True)
class ReadMesh:
    """What a GLB holds, in the scene's frame.

    Args:
        vertices: ``(V, 3)`` float64, metres.
        faces: ``(F, 3)`` int32.
        normals: ``(V, 3)`` float64, unit; None where it has none.
        colours: ``(V, 4)`` float64, linear, 0..1, as the surface looks; None where it has none.
        uv: ``(V, 2)`` float64 texture coordinates; None where it has none.
        texture: The file of the base-colour texture; None where it has none.
        tint: ``(V, 3)`` float64, linear, what the texture is multiplied by; None for nothing.
        attributes: ``(V,)`` float64 each, by name without the underscore, in lower case.
        extras: ``asset.extras``: where the mesh comes from.
        document: The whole JSON document, as it stands in the file.
    """

    vertices: FloatArray
    faces: NDArray[np.int32]
    normals: FloatArray | None
    colours: FloatArray | None
    uv: FloatArray | None
    texture: bytes | None
    tint: FloatArray | None = None
    attributes: Mapping[str, FloatArray] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


def read_glb(content: bytes) -> ReadMesh:
    """The mesh of a GLB; several primitives become one.

    Args:
        content: The file.

    Returns:
        The mesh; of attributes that not all primitives have, none.

    Raises:
        ValueError: It is no complete GLB, holds no triangles, or needs an extension that is not
            read here; the message says which.
    """
    document = document_of(content)
    unread = set(document.get("extensionsRequired", [])) - _READABLE
    if unread:
        raise ValueError(f"needs {', '.join(sorted(unread))}, which is not read here")
    try:
        return replace(_read(*unpacked(document, _binary(content))), document=document)
    except (KeyError, IndexError, TypeError) as exc:
        raise ValueError(f"not a glTF mesh ({type(exc).__name__}: {exc})") from exc


def _binary(content: bytes) -> bytes:
    (length,) = struct.unpack("<I", content[12:16])
    return content[20 + length + 8 :]


def _read(document: dict[str, Any], binary: bytes) -> ReadMesh:
    parts = []
    for matrix, mesh in _placed(document):
        for primitive in document["meshes"][mesh]["primitives"]:
            if primitive.get("mode", _TRIANGLES) == _TRIANGLES:
                parts.append(_part(document, binary, primitive, matrix))
    if not parts:
        raise ValueError("holds no triangles")
    starts = np.cumsum([0] + [len(part["POSITION"]) for part in parts])
    faces = np.concatenate([p["faces"] + s for p, s in zip(parts, starts, strict=False)])
    first, *others = parts
    joined = {  # in the file's order: what is written again is alike to the byte
        name: np.concatenate([p[name] for p in parts])
        for name in first
        if name not in ("faces", "image") and all(name in part for part in others)
    }
    images = [part["image"] for part in parts if "image" in part]
    texture = images[0] if images and "TEXCOORD_0" in joined else None
    tint = joined["COLOR_0"][:, :3] if texture and "COLOR_0" in joined else None
    colours = joined.get("_COLOR_0") if texture else joined.get("COLOR_0", joined.get("_COLOR_0"))
    if colours is None and tint is not None:
        from tasks.mesh.texture import decoded, sampled  # what tells of other files needs no OpenCV

        image = decoded(texture)
        colours = tint if image is None else tint * sampled(image, joined["TEXCOORD_0"])
    if colours is not None and colours.shape[1] == 3:
        colours = np.column_stack([colours, np.ones(len(colours))])
    own = {n[1:].lower(): v.ravel() for n, v in joined.items() if n.startswith("_")}
    return ReadMesh(
        vertices=joined["POSITION"],
        faces=np.asarray(faces, np.int32),
        normals=joined.get("NORMAL"),
        colours=colours,
        uv=joined.get("TEXCOORD_0"),
        texture=texture,
        tint=tint,
        attributes={n: v for n, v in own.items() if len(v) == len(joined["POSITION"])},
        extras=document.get("asset", {}).get("extras", {}),
    )


def _placed(document: dict[str, Any]) -> list[tuple[FloatArray, int]]:
    """Every mesh of the scene with the matrix of its node."""
    found: list[tuple[FloatArray, int]] = []

    def walk(number: int, outer: FloatArray, depth: int) -> None:
        node = document["nodes"][number]
        matrix = outer @ _matrix(node)
        if "mesh" in node:
            found.append((matrix, node["mesh"]))
        for child in node.get("children", []) if depth < 100 else []:
            walk(child, matrix, depth + 1)

    for root in document["scenes"][document.get("scene", 0)]["nodes"]:
        walk(root, np.eye(4), 0)
    return found


def _matrix(node: Mapping[str, Any]) -> FloatArray:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _part(
    document: dict[str, Any], binary: bytes, primitive: Mapping[str, Any], matrix: FloatArray
) -> dict[str, Any]:
    """Arrays of one primitive, by the attributes' names, and its faces and image."""
    part: dict[str, Any] = {
        name: _values(document, binary, accessor)
        for name, accessor in primitive["attributes"].items()
        if document["accessors"][accessor]["type"] in _WIDTHS
    }
    part["POSITION"] = part["POSITION"] @ matrix[:3, :3].T + matrix[:3, 3]
    if "NORMAL" in part:
        turned = part["NORMAL"] @ np.linalg.inv(matrix[:3, :3])  # by the inverse's transpose
        part["NORMAL"] = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    indices = np.arange(len(part["POSITION"]))
    if "indices" in primitive:
        indices = _values(document, binary, primitive["indices"]).astype(np.int64)
    part["faces"] = indices.reshape(-1, 3)
    image = _image(document, binary, primitive)
    if image is not None:
        part["image"] = image
    return part


def _values(document: dict[str, Any], binary: bytes, number: int) -> FloatArray:
    """An accessor's values as floating-point numbers, ``(count, width)``."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind = np.dtype(_TYPES[accessor["componentType"]])
    width, count = _WIDTHS[accessor["type"]], accessor["count"]
    begin = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    stride = view.get("byteStride", kind.itemsize * width)
    if begin + stride * (count - 1) + kind.itemsize * width > len(binary):
        raise ValueError("is cut off")
    rows = np.ndarray((count, width), kind, binary, begin, (stride, kind.itemsize))
    values = rows.astype(np.float64)
    if accessor.get("normalized"):
        values = np.maximum(values / np.iinfo(kind).max, -1.0)
    return values


def _image(document: dict[str, Any], binary: bytes, primitive: Mapping[str, Any]) -> bytes | None:
    """The file of the base-colour texture, where it lies in the GLB."""
    if "material" not in primitive:
        return None
    surface = document["materials"][primitive["material"]].get("pbrMetallicRoughness", {})
    if "baseColorTexture" not in surface:
        return None
    texture = document["textures"][surface["baseColorTexture"]["index"]]
    source = texture.get("extensions", {}).get("EXT_texture_webp", texture).get("source")
    if source is None or "bufferView" not in document["images"][source]:
        return None
    view = document["bufferViews"][document["images"][source]["bufferView"]]
    begin = view.get("byteOffset", 0)
    return binary[begin : begin + view["byteLength"]]
