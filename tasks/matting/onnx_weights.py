"""Weights from an ONNX file, read without ONNX's own library."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FLOAT = 1
"""ONNX's number of the type float32."""


def read_convolutions(content: bytes) -> list[tuple[Tensor, Tensor]]:
    """Weights ``(O, I, K, K)`` and biases ``(O,)`` of an ONNX model's convolutions, in order.

    Source: the field numbers of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

    Raises:
        ValueError: If it is no ONNX model, or a convolution lacks its weights.
    """
    tensors: dict[str, Tensor] = {}
    names: list[list[str]] = []
    try:
        graph = next(value for number, value in _fields(memoryview(content)) if number == 7)
        for number, value in _fields(graph):
            if number == 5:
                name, tensor = _tensor(value)
                tensors[name] = tensor
            elif number == 1:
                node = list(_fields(value))
                if any(n == 4 and bytes(v) == b"Conv" for n, v in node):
                    names.append([bytes(v).decode() for n, v in node if n == 1])
        return [(tensors[weight], tensors[bias]) for _, weight, bias in names]
    except (LookupError, StopIteration, TypeError, ValueError) as exc:
        raise ValueError(f"no ONNX model of convolutions with weights and biases: {exc}") from exc


def _tensor(content: memoryview) -> tuple[str, Tensor]:
    """Name and values of a TensorProto; empty if it holds no raw float32."""
    shape: list[int] = []
    name, kind, raw = "", 0, memoryview(b"")
    for number, value in _fields(content):
        if number == 1:
            shape += [value] if isinstance(value, int) else list(_varints(value))
        elif number == 2:
            kind = value
        elif number == 8:
            name = bytes(value).decode()
        elif number == 9:
            raw = value
    if kind != _FLOAT or len(raw) != 4 * functools.reduce(operator.mul, shape, 1):
        return name, torch.empty(0)
    return name, torch.from_numpy(np.frombuffer(raw, "<f4").reshape(shape).copy())


def _fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protobuf message: integers, or the bytes of what is nested."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, at = _varint(content, at)
        else:
            size = {1: 8, 5: 4}[wire]
        if at + size > len(content):
            raise IndexError("cut off")
        yield tag >> 3, content[at : at + size]
        at += size


def _varints(content: memoryview) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number at a position, and the position after it."""
    value = 0
    for shift in itertools.count(0, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise AssertionError("unreachable")
