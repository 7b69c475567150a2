"""Binary glTF, byte by byte as its specification has it."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from tasks.imaging.srgb import linear_from_srgb
from tasks.mesh.glb import (
    BYTE,
    FLOAT,
    USHORT,
    GlbBuffer,
    GlbMesh,
    Texture,
    document_of,
    encode_glb,
    pack_glb,
)

TRIANGLE = GlbMesh(
    vertices=np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], np.float32),
    faces=np.array([[0, 1, 2]], np.int64),
    normals=np.tile(np.float32([0, 0, 1]), (3, 1)),
    colours=np.array([[0, 8, 255], [9, 9, 9], [128, 0, 0]], np.uint8),
    attributes={"seen_by": np.array([0, 7, 255], np.uint8)},
)


def written(mesh: GlbMesh) -> tuple[dict, bytes]:
    content = encode_glb(mesh, name="tyre", generator="g", extras={"a": 1})
    length = struct.unpack("<I", content[12:16])[0]
    return document_of(content), content[28 + length :]


def values(document: dict, data: bytes, number: int) -> np.ndarray:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    start = view["byteOffset"]
    assert start % 4 == 0
    assert view["byteLength"] == accessor["count"] * width * np.dtype(kind).itemsize
    return np.frombuffer(data[start : start + view["byteLength"]], kind).reshape(-1, width)


def test_chunks_are_of_whole_words_and_lengths_add_up() -> None:
    for text in ("", "x", "xy", "xyz"):
        content = pack_glb({"a": text}, b"12345678")
        magic, version, total, length, kind = struct.unpack("<4sIII4s", content[:20])
        assert (magic, version, kind) == (b"glTF", 2, b"JSON")
        assert total == len(content)
        assert length % 4 == 0
        assert json.loads(content[20 : 20 + length]) == {"a": text} == document_of(content)
        assert struct.unpack("<I4s", content[20 + length : 28 + length]) == (8, b"BIN\0")
        assert content[28 + length :] == b"12345678"
    with pytest.raises(ValueError, match="JSON"):
        pack_glb({"a": float("nan")}, b"")


@pytest.mark.parametrize("fault", ["short", "cut", "longer", "magic", "version"])
def test_what_is_no_complete_glb_is_refused(fault: str) -> None:
    content = pack_glb({"a": 1}, b"1234")
    damaged = {
        "short": content[:19],
        "cut": content[:-4],
        "longer": content + b"1234",
        "magic": b"x" + content[1:],
        "version": content[:4] + b"\1" + content[5:],
    }[fault]
    with pytest.raises(ValueError, match="GLB"):
        document_of(damaged)


def test_every_array_is_found_again_where_the_document_says() -> None:
    document, data = written(TRIANGLE)
    (primitive,) = document["meshes"][0]["primitives"]
    accessors = primitive["attributes"]
    np.testing.assert_array_equal(values(document, data, accessors["POSITION"]), TRIANGLE.vertices)
    bounds = document["accessors"][accessors["POSITION"]]
    assert (bounds["min"], bounds["max"]) == ([0, 0, 0], [1, 2, 0])
    np.testing.assert_array_equal(values(document, data, accessors["NORMAL"]), TRIANGLE.normals)
    np.testing.assert_array_equal(values(document, data, primitive["indices"]).ravel(), [0, 1, 2])
    np.testing.assert_array_equal(values(document, data, accessors["_SEEN_BY"])[:, 0], [0, 7, 255])
    assert document["asset"] == {"version": "2.0", "generator": "g", "extras": {"a": 1}}
    assert document["buffers"] == [{"byteLength": len(data)}]
    assert "textures" not in document


def test_colours_are_linear_in_sixteen_bits_and_opaque() -> None:
    """In eight, an sRGB of 8 (0.0024) would be 1 of 255, as 15 others."""
    document, data = written(TRIANGLE)
    number = document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]
    assert document["accessors"][number]["normalized"]
    found = values(document, data, number) / 65535
    linear = linear_from_srgb(TRIANGLE.colours / 255)
    np.testing.assert_allclose(found[:, :3], linear, atol=0.5 / 65535)
    np.testing.assert_array_equal(found[:, 3], 1)


def test_beside_a_texture_colours_are_an_attribute_of_our_own() -> None:
    uv = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    textured = GlbMesh(
        *(getattr(TRIANGLE, n) for n in ("vertices", "faces", "normals", "colours", "attributes")),
        texture=Texture(uv, b"a file", "image/png"),
    )
    document, data = written(textured)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    assert {"_COLOR_0", "TEXCOORD_0"} <= set(attributes)
    assert "COLOR_0" not in attributes
    np.testing.assert_array_equal(values(document, data, attributes["TEXCOORD_0"]), uv)
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    assert data[view["byteOffset"] :][: view["byteLength"]] == b"a file"
    assert document["images"][0]["mimeType"] == "image/png"


def test_short_elements_are_padded_to_whole_words() -> None:
    buffer = GlbBuffer()
    buffer.add(np.array([[1, 2, 3], [4, 5, 6]], np.int8), "VEC3", BYTE)
    assert bytes(buffer.data) == bytes([1, 2, 3, 0, 4, 5, 6, 0])
    assert buffer.views[0]["byteStride"] == 4
    buffer.add(np.array([[1], [2]], "<u2"), "SCALAR", USHORT, normalized=True)
    assert bytes(buffer.data[8:]) == bytes([1, 0, 0, 0, 2, 0, 0, 0])
    buffer.add(np.array([7, 8, 9], "<u2"), "SCALAR", USHORT)
    assert "byteStride" not in buffer.views[2], "indices lie side by side"
    assert buffer.views[2]["byteLength"] == 6
    buffer.add(np.zeros((2, 3), "<f4"), "VEC3", FLOAT)
    assert buffer.views[3]["byteOffset"] == 16 + 8
    assert [a["count"] for a in buffer.accessors] == [2, 2, 3, 2]
