"""Files as ONNX has them, of convolutions alone."""

from __future__ import annotations

import struct


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
