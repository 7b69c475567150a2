"""U²-Net and its small sibling, from their ONNX files, in a number format of choice.

On x86 onnxruntime computes these in float32 only; PyTorch computes in bfloat16 as well, more than
twice as fast where the processor multiplies it natively. The structure is that of arXiv 2005.09007,
figure 5; the channels follow from the weights, so that one class runs both sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.matting.onnx_weights import read_convolutions

_HEIGHTS = (7, 6, 5, 4, 0, 0)
"""Depths of the encoder's blocks; 0 is the block that dilates instead of shrinking."""
_CONVOLUTIONS = 119
_LARGE = 128.0
"""Convolutions with a larger bias stay in float32: two of u2netp's 119, whose biases reach 1361.

With them in bfloat16 the masks' IoU to onnxruntime's fell from 0.999 to 0.990.
"""
Conv = Callable[..., Tensor]


class U2Net:
    """The network.

    Args:
        path: The ONNX file, its batch normalisation folded into the convolutions.
        dtype: Format of weights and activations; biases stay in float32.

    Raises:
        ValueError: The file is something else.
    """

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._layers = [
            (w.to(_format(b, dtype), memory_format=torch.channels_last), b)
            for w, b in read_convolutions(path.read_bytes())
        ]
        if len(self._layers) != _CONVOLUTIONS:
            raise ValueError(f"{path} holds {len(self._layers)} convolutions, not {_CONVOLUTIONS}")

    def __call__(self, images: Tensor) -> Tensor:
        """The foreground's share of every pixel.

        Args:
            images: ``(B, 3, S, S)`` float, normalised.

        Returns:
            ``(B, S, S)`` float32, 0..1.
        """
        layers = iter(self._layers)  # in the order in which they are run

        def conv(x: Tensor, dilation: int = 1, then: str = "none") -> Tensor:
            weight, bias = next(layers)
            reach = [dilation * (weight.shape[-1] // 2)] * 2
            # A pass over the result less than convolution and ReLU one after the other.
            y: Tensor = torch.ops.mkldnn._convolution_pointwise(
                x.to(weight.dtype), weight, bias, reach, [1, 1], [dilation] * 2, 1, then, [], ""
            )
            return y

        def active(x: Tensor, dilation: int = 1) -> Tensor:
            return conv(x, dilation, "relu")

        def block(x: Tensor, height: int) -> Tensor:
            return _block(active, x, height).to(self._dtype)

        with torch.inference_mode():
            x = images.to(self._dtype, memory_format=torch.channels_last)
            encoded: list[Tensor] = []
            for height in _HEIGHTS:
                x = block(_shrunk(encoded[-1]) if encoded else x, height)
                encoded.append(x)
            decoded = [x]
            for height, beside in zip(_HEIGHTS[-2::-1], encoded[-2::-1], strict=True):
                x = block(torch.cat([_grown(x, beside), beside], 1), height)
                decoded.append(x)
            sides = [conv(d) for d in reversed(decoded)]
            size = sides[0]
            out = conv(torch.cat([size, *(_grown(s, size) for s in sides[1:])], 1))
        # not PyTorch's sigmoid: it rounds otherwise where a thread's share of the pixels ends
        return torch.from_numpy(1.0 / (1.0 + np.exp(-out[:, 0].float().numpy())))


def _format(bias: Tensor, dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if float(bias.abs().max()) > _LARGE else dtype


def _block(conv: Conv, x: Tensor, height: int) -> Tensor:
    """A residual U-block: ``height`` levels, halved or dilated, or four ever more dilated ones."""
    start = conv(x)
    if not height:
        levels = [start]
        for dilation in (1, 2, 4, 8):
            levels.append(conv(levels[-1], dilation))
        x = levels.pop()
        for dilation in (4, 2, 1):
            x = conv(torch.cat([x, levels.pop()], 1), dilation)
        return x.add_(start)
    levels = [conv(start)]
    for _ in range(height - 2):
        levels.append(conv(_shrunk(levels[-1])))
    x = conv(levels[-1], 2)
    for level in reversed(levels):
        x = conv(torch.cat([_grown(x, level), level], 1))
    return x.add_(start)


def _shrunk(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, ceil_mode=True)


def _grown(x: Tensor, like: Tensor) -> Tensor:
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
