"""The network's shape; its numbers are held to rembg's elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tasks.matting.u2net import U2Net
from tests.tasks.matting.onnx_files import convolution, field

WIDTH = 2


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
