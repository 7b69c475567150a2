"""Weights of convolutions, read from files that are put together byte by byte."""

from __future__ import annotations

import struct

import pytest

from tasks.matting.onnx_weights import read_convolutions
from tests.tasks.matting.onnx_files import convolution, field, tensor


def test_convolutions_are_read_in_order() -> None:
    found = read_convolutions(field(7, convolution(0, 2, 3, 3, 0.25) + convolution(1, 3, 1, 1, 2)))
    assert [tuple(w.shape) for w, _ in found] == [(3, 2, 3, 3), (1, 3, 1, 1)]
    assert [(float(w.min()), float(b.max())) for w, b in found] == [(0.25, 0.5), (2.0, 0.5)]


def test_values_lie_row_by_row() -> None:
    weight = tensor("w0", (2, 1, 1, 3), [0, 1, 2, 3, 4, 5])
    bias = tensor("b0", (2,), [7, 8])
    node = field(1, b"".join(field(1, n) for n in (b"x0", b"w0", b"b0")) + field(4, b"Conv"))
    other = field(1, field(1, b"y0") + field(4, b"Relu"))
    ((weights, biases),) = read_convolutions(field(7, node + other + bias + weight))
    assert weights[:, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert biases.tolist() == [7, 8]


def test_shapes_that_are_packed_and_fields_of_other_kinds_are_read() -> None:
    """As other writers have it: all dimensions in one field, 32 and 64 bits before them."""
    packed = field(1, bytes([1, 1, 1, 2]))
    fixed = bytes([10 << 3 | 5]) + b"1234" + bytes([11 << 3 | 1]) + b"12345678"
    raw = field(9, struct.pack("<2f", 3, 4))
    weight = field(5, fixed + packed + field(2, 1) + field(8, b"w0") + raw)
    node = field(1, b"".join(field(1, n) for n in (b"x0", b"w0", b"b0")) + field(4, b"Conv"))
    ((weights, _),) = read_convolutions(field(7, node + weight + tensor("b0", (1,), [0])))
    assert weights.shape == (1, 1, 1, 2)
    assert weights.flatten().tolist() == [3, 4]


@pytest.mark.parametrize("kept", [0, 1, 10, 60, -1])
def test_a_model_that_is_cut_off_is_refused(kept: int) -> None:
    whole = field(7, convolution(0, 2, 3, 3, 0.25))
    with pytest.raises(ValueError, match="no ONNX model"):
        read_convolutions(whole[:kept])


def test_a_convolution_without_its_weights_is_refused() -> None:
    node = field(1, b"".join(field(1, n) for n in (b"x0", b"w0", b"b0")) + field(4, b"Conv"))
    with pytest.raises(ValueError, match="w0"):
        read_convolutions(field(7, node))
    without_bias = field(1, b"".join(field(1, n) for n in (b"x0", b"w0")) + field(4, b"Conv"))
    with pytest.raises(ValueError, match="no ONNX model"):
        read_convolutions(field(7, without_bias + tensor("w0", (1,), [0])))
