"""Compressed views of a GLB: EXT_meshopt_compression, as its decoders in browsers read it.

Integers come back bit by bit. Floating-point numbers become multiples of a power of two first, one
for each component of an attribute, and come back as those: exactly, whoever decodes them.

Source: https://github.com/KhronosGroup/glTF/blob/main/extensions/2.0/Vendor/EXT_meshopt_compression
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXTENSION = "EXT_meshopt_compression"
_FLOAT_BITS = 18
"""Bits of the largest number of a component, its sign included."""
_MAX_BYTES = 1 << 30


def packed_view(rows: NDArray[Any], *, floats: bool, indices: bool) -> tuple[bytes, dict[str, Any]]:
    """A view's content compressed, and what the extension says of it but for where it lies.

    Args:
        rows: ``(V, N)`` values of an attribute, each row a multiple of four bytes long; or indices
            of triangles, flat, uint32 or uint16.
        floats: Whether they are float32.
        indices: Whether they are indices.
    """
    import meshopt

    if indices:
        extension = {"mode": "TRIANGLES", "byteStride": rows.itemsize, "count": rows.size}
        return meshopt.encode_gltf_buffer(rows.reshape(-1), "TRIANGLES"), extension
    extension = {
        "mode": "ATTRIBUTES",
        "byteStride": rows.shape[1] * rows.itemsize,
        "count": len(rows),
    }
    if floats:
        extension["filter"] = "EXPONENTIAL"
        rows = meshopt.encode_filter_exp(rows, _FLOAT_BITS, "SharedComponent")
    return meshopt.encode_gltf_buffer(rows, "ATTRIBUTES"), extension


def in_drawing_order(
    faces: NDArray[np.int32], count: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Faces and vertices in the order in which they compress best.

    Args:
        faces: ``(F, 3)``.
        count: Number of the vertices.

    Returns:
        The faces, ``(F, 3)``, and for each vertex that they name which of the old ones it was.
    """
    import meshopt

    indices, position, used = meshopt.reorder_mesh(
        np.ascontiguousarray(faces, np.uint32), triangles=True, optsize=True
    )
    order = np.argsort(position[:count], kind="stable")[:used]
    return indices.reshape(-1, 3), order


def unpacked(document: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """The same glTF with its views decompressed, in one buffer.

    Args:
        document: The JSON document.
        data: The binary chunk.

    Raises:
        ValueError: What is compressed is damaged.
    """
    if not any(EXTENSION in view.get("extensions", {}) for view in document.get("bufferViews", [])):
        return dict(document), data
    plain = bytearray()
    views = []
    for view in document["bufferViews"]:
        own = dict(view)
        extension = own.pop("extensions", {}).get(EXTENSION)
        begin = view.get("byteOffset", 0)
        content = (
            data[begin : begin + view["byteLength"]]
            if extension is None
            else _decoded(extension, data)
        )
        views.append({**own, "buffer": 0, "byteOffset": len(plain), "byteLength": len(content)})
        plain += content + b"\0" * (-len(content) % 4)
    rest = {
        key: [name for name in document.get(key, []) if name != EXTENSION]
        for key in ("extensionsUsed", "extensionsRequired")
    }
    kept = {key: value for key, value in document.items() if key not in rest}
    return (
        {
            **kept,
            **{key: names for key, names in rest.items() if names},
            "bufferViews": views,
            "buffers": [{"byteLength": len(plain)}],
        },
        bytes(plain),
    )


def _decoded(extension: Mapping[str, Any], data: bytes) -> bytes:
    import meshopt

    begin, count, stride = (
        extension.get("byteOffset", 0),
        extension["count"],
        extension["byteStride"],
    )
    if not 0 < count * stride <= _MAX_BYTES:
        raise ValueError("has a compressed view of a size that cannot be")
    packed = data[begin : begin + extension["byteLength"]]
    rows = meshopt.decode_gltf_buffer(
        packed, count, stride, extension["mode"], extension.get("filter", "NONE")
    )
    return bytes(rows.tobytes())
