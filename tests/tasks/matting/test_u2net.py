"""The reader of ONNX files and the network's shape; its numbers are held to rembg's elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tasks.matting.onnx_weights import read_convolutions
from tasks.matting.u2net import U2Net

WIDTH = 2


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3, content])
    size, prefix = len(content), b""
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + prefix + bytes([size]) + content


def tensor(name: str, shape: tuple[int, ...], values: list[float]) -> bytes:
    dims = b"".join(field(1, d) for d in shape)
    raw = field(9, struct.pack(f"<{len(values)}f", *values))
    return field(5, dims + field(2, 1) + field(8, name.encode()) + raw)


def convolution(number: int, inputs: int, outputs: int, size: int, value: float) -> bytes:
    weight = [value] * (outputs * inputs * size * size)
    names = b"".join(field(1, f"{n}{number}".encode()) for n in "xwb")
    return (
        field(1, names + field(2, f"y{number}".encode()) + field(4, b"Conv"))
        + tensor(f"w{number}", (outputs, inputs, size, size), weight)
        + tensor(f"b{number}", (outputs,), [0.5] * outputs)
    )


def sizes() -> Iterator[tuple[int, int, int]]:
    """Inputs, outputs and kernel of the 119 convolutions of a network of two channels."""
    for stage, height in enumerate((7, 6, 5, 4, 4, 4, 4, 4, 5, 6, 7)):
        yield (3 if stage == 0 else WIDTH if stage < 6 else 2 * WIDTH), WIDTH, 3
        for _ in range(height):
            yield WIDTH, WIDTH, 3
        for _ in range(height - 1):
            yield 2 * WIDTH, WIDTH, 3
    for _ in range(6):
        yield WIDTH, 1, 3
    yield 6, 1, 1


def model(value: float = 0.01) -> bytes:
    nodes = [convolution(n, *size, value) for n, size in enumerate(sizes())]
    return field(7, b"".join(nodes))


def test_convolutions_are_read_in_order() -> None:
    found = read_convolutions(field(7, convolution(0, 2, 3, 3, 0.25) + convolution(1, 3, 1, 1, 2)))
    assert [tuple(w.shape) for w, _ in found] == [(3, 2, 3, 3), (1, 3, 1, 1)]
    assert [(float(w.min()), float(b.max())) for w, b in found] == [(0.25, 0.5), (2.0, 0.5)]


@pytest.mark.parametrize("content", [b"", b"no model", model()[:1000], field(7, b"\x0a\xff")])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="ONNX"):
        U2Net(path, torch.float32)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(field(7, convolution(0, 3, 1, 3, 1.0)))
    with pytest.raises(ValueError, match="1 convolutions, not 119"):
        U2Net(path, torch.float32)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")
def test_any_size_comes_out_as_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(model())
    out = U2Net(path, torch.float32)(torch.rand(2, 3, 72, 60))
    assert out.shape == (2, 72, 60)
    assert out.dtype is torch.float32
    assert bool(((out > 0) & (out < 1)).all())
