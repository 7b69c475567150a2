"""Compressed views: what goes in comes out, bit by bit or as stated, and damage is noticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.mesh.glb import FLOAT, SHORT, UINT, USHORT, GlbBuffer
from tasks.mesh.meshopt_views import EXTENSION, in_drawing_order, unpacked


def document_of(buffer: GlbBuffer) -> dict[str, Any]:
    return {
        "extensionsUsed": ["KHR_mesh_quantization", EXTENSION],
        "extensionsRequired": [EXTENSION],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": buffer.buffers,
    }


def filled(compressed: bool) -> GlbBuffer:
    rng = np.random.default_rng(1)
    buffer = GlbBuffer(compressed=compressed)
    buffer.add(rng.integers(-32767, 32768, (900, 3)).astype("<i2"), "VEC3", SHORT)
    buffer.add_file(b"a picture")
    colours = rng.integers(0, 65536, (900, 4)).astype("<u2")
    buffer.add(colours, "VEC4", USHORT, normalized=True)
    buffer.add(rng.integers(0, 256, 900).astype("<f4"), "SCALAR", FLOAT)
    buffer.add(rng.integers(0, 900, 3000).astype("<u4"), "SCALAR", UINT)
    return buffer


def content(document: dict[str, Any], data: bytes, view: int) -> bytes:
    told = document["bufferViews"][view]
    return data[told["byteOffset"] : told["byteOffset"] + told["byteLength"]]


def test_integers_and_whole_numbers_come_back_bit_by_bit() -> None:
    packed, plain = filled(True), filled(False)
    document, data = unpacked(document_of(packed), bytes(packed.data))
    assert document["buffers"] == [{"byteLength": len(data)}]
    assert document["extensionsUsed"] == ["KHR_mesh_quantization"]
    assert "extensionsRequired" not in document
    as_plain = document_of(plain)
    for view in range(4):
        assert content(document, data, view) == content(as_plain, bytes(plain.data), view), view
    triangles = [
        np.frombuffer(content(d, b, 4), "<u4").reshape(-1, 3)
        for d, b in ((document, data), (as_plain, bytes(plain.data)))
    ]
    assert turned(triangles[0]) == turned(triangles[1]), "a triangle may begin at another corner"


def turned(faces: NDArray[np.uint32]) -> list[tuple[int, ...]]:
    return [tuple(np.roll(face, -int(face.argmin())).tolist()) for face in faces]


def test_numbers_with_a_point_are_rounded_to_eighteen_bits_once() -> None:
    values = np.random.default_rng(2).uniform(-0.3, 1.1, (500, 2)).astype("<f4")
    buffer = GlbBuffer(compressed=True)
    buffer.add(values, "VEC2", FLOAT)
    document, data = unpacked(document_of(buffer), bytes(buffer.data))
    once = np.frombuffer(content(document, data, 0), "<f4").reshape(-1, 2)
    assert 0 < np.abs(once - values).max() <= 2.0**-17
    again = GlbBuffer(compressed=True)
    again.add(once, "VEC2", FLOAT)
    assert again.data == buffer.data


def test_what_is_not_compressed_is_left_as_it_is() -> None:
    plain = filled(False)
    document = document_of(plain)
    assert unpacked(document, bytes(plain.data)) == (document, bytes(plain.data))


@pytest.mark.parametrize("fault", ["damaged", "cut", "huge"])
def test_damage_is_noticed(fault: str) -> None:
    buffer = filled(True)
    document, data = document_of(buffer), bytes(buffer.data)
    said = document["bufferViews"][0]["extensions"][EXTENSION]
    if fault == "damaged":
        data = b"\0" + data[1:]
    elif fault == "cut":
        data = data[: said["byteLength"] // 2]
    else:
        said["count"] = 10**9
    with pytest.raises(ValueError, match=r"Malformed|cannot be"):
        unpacked(document, data)


def test_the_order_of_drawing_keeps_every_triangle() -> None:
    rng = np.random.default_rng(3)
    faces = rng.permuted(np.tile(np.arange(300, dtype=np.int32), (200, 1)), axis=1)[:, :3]
    drawn, order = in_drawing_order(faces, 300)
    assert sorted(turned(order[drawn].astype(np.uint32))) == sorted(turned(faces.astype(np.uint32)))
    assert len(order) == len(np.unique(faces))


def test_smooth_numbers_become_small() -> None:
    x = np.linspace(0, 1, 4000)
    smooth = np.stack([np.sin(5 * x), np.cos(5 * x), x], axis=1)
    for compressed, most in ((True, 15_000), (False, 33_000)):
        buffer = GlbBuffer(compressed=compressed)
        buffer.add(np.rint(32767 * smooth).astype("<i2"), "VEC3", SHORT)
        assert len(buffer.data) <= most
