"""XFeat: a small convolutional network that detects and describes image points.

Attribute names follow the keys of the published checkpoint, whose matcher of dense features
(``fine_matcher``) has no use here.

Source: Potje, Cadar, Araujo, Martins and Nascimento, XFeat: Accelerated features for lightweight
image matching, CVPR 2024, section 3 and figure 3.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tasks.poses.features.keypoints import MOST, KeyPoints
from tsr.errors import WeightsError
from tsr.state_dict import read_state_dict

CELL = 8
"""Pixels of a cell, horizontally and vertically: the stride of descriptors and of reliability."""

STRIDE = 32
"""Stride of the deepest block: the sides of an image are multiples of it."""


MIN_PROBABILITY = 0.05
"""A pixel is a key point if it is at least so probable in its cell; as published."""

_PEAK_PX = 5
"""Side of the square in which a key point is the most probable pixel; as published."""

_UNUSED = "fine_matcher."


class _Layer(nn.Module):
    """Convolution, normalisation over the batch (fixed, without affine part), ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=False),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


class XFeat(nn.Module):
    """The network without its dense matcher: descriptors, key points and their reliability."""

    def __init__(self) -> None:
        super().__init__()
        self.skip1 = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(
            _Layer(1, 4), _Layer(4, 8, stride=2), _Layer(8, 8), _Layer(8, 24, stride=2)
        )
        self.block2 = nn.Sequential(_Layer(24, 24), _Layer(24, 24))
        self.block3 = nn.Sequential(_Layer(24, 64, stride=2), _Layer(64, 64), _Layer(64, 64, 1))
        self.block4 = nn.Sequential(_Layer(64, 64, stride=2), _Layer(64, 64), _Layer(64, 64))
        self.block5 = nn.Sequential(
            _Layer(64, 128, stride=2), _Layer(128, 128), _Layer(128, 128), _Layer(128, 64, 1)
        )
        self.block_fusion = nn.Sequential(_Layer(64, 64), _Layer(64, 64), nn.Conv2d(64, 64, 1))
        self.heatmap_head = nn.Sequential(
            _Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 1, 1), nn.Sigmoid()
        )
        self.keypoint_head = nn.Sequential(
            _Layer(64, 64, 1), _Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 65, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Descriptors, key points and reliability.

        Args:
            x: ``(B, 1, H, W)``, each image of mean 0 and deviation 1; both sides are multiples of
                :data:`STRIDE`.

        Returns:
            Descriptors ``(B, 64, H / 8, W / 8)`` of length 1; key points ``(B, 1, H, W)``, the
            probability of each pixel among those of its cell; reliability ``(B, 1, H / 8, W / 8)``
            between 0 and 1.
        """
        quarter = self.block2(self.block1(x) + self.skip1(x))  # (B, 24, H/4, W/4)
        fine = self.block3(quarter)  # (B, 64, H/8, W/8)
        middle = self.block4(fine)  # (B, 64, H/16, W/16)
        coarse = self.block5(middle)  # (B, 64, H/32, W/32)
        size = fine.shape[-2:]
        pyramid = fine + _enlarged(middle, size) + _enlarged(coarse, size)
        descriptors = self.block_fusion(pyramid)
        reliability = self.heatmap_head(descriptors)
        cells = F.pixel_unshuffle(x, CELL)  # (B, 64, H/8, W/8)
        # The 65th channel of a cell means that no pixel of it is a key point.
        among = torch.softmax(self.keypoint_head(cells), 1)[:, : CELL * CELL]
        return F.normalize(descriptors, dim=1), F.pixel_shuffle(among, CELL), reliability


def _enlarged(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size, mode="bilinear")


def load_xfeat(weights: Path) -> XFeat:
    """The network with the published weights, ready for inference.

    Args:
        weights: The published checkpoint, a dictionary of tensors.

    Raises:
        WeightsError: If it is not there, or no checkpoint of this network.
    """
    network = XFeat()
    state = {k: v for k, v in read_state_dict(weights).items() if not k.startswith(_UNUSED)}
    try:
        network.load_state_dict(state)
    except RuntimeError as exc:  # names or shapes differ
        raise WeightsError(f"{weights} is no checkpoint of XFeat: {exc}") from exc
    network.eval()
    for module in network.modules():
        if isinstance(module, _Layer):
            convolution, normalisation, relu = module.layer
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(normalisation, nn.BatchNorm2d)
            module.layer = nn.Sequential(fuse_conv_bn_eval(convolution, normalisation), relu)
    return network


def detect_xfeat(network: XFeat, image: NDArray[np.uint8]) -> KeyPoints:
    """Key points of a grey image ``(H, W)``, both sides of which are multiples of :data:`STRIDE`.

    Their strength is probability times reliability. A point lies where the probabilities around
    its pixel balance: a fifth less error than the pixel's centre (0.37 px for 0.45 px).
    """
    # in numpy and double precision, since the order of torch's sums depends on its threads
    grey = image.astype(np.float64)
    normalised = (grey - grey.mean()) / np.sqrt(grey.var() + 1e-5)
    device = next(network.parameters()).device
    x = torch.from_numpy(normalised.astype(np.float32))[None, None].to(device)
    with torch.inference_mode():
        outputs = network(x.contiguous(memory_format=torch.channels_last))
        descriptors, probability, reliability = (y.cpu() for y in outputs)
        peaks = F.max_pool2d(probability, _PEAK_PX, stride=1, padding=_PEAK_PX // 2)
        row, column = ((probability == peaks) & (probability > MIN_PROBABILITY))[0, 0].nonzero().T
        at = torch.stack([column, row], 1).float() + 0.5 + _balance(probability[0, 0], row, column)
        strength = probability[0, 0, row, column] * _sampled(reliability, at, "bilinear")[:, 0]
        order = torch.argsort(strength, descending=True, stable=True)[:MOST]
        at, strength = at[order], strength[order]
        described = F.normalize(_sampled(descriptors, at, "bicubic"), dim=1)
    return KeyPoints(at.numpy().astype(np.float64), strength.numpy(), described.numpy())


def _balance(probability: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """``(N, 2)`` from pixels to the centre of mass of the 3 x 3 probabilities around each."""
    framed = F.pad(probability[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    offsets = [(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    around = torch.stack([framed[row + 1 + dy, column + 1 + dx] for dx, dy in offsets], 1)
    return around @ torch.tensor(offsets, dtype=around.dtype) / around.sum(1, keepdim=True)


def _sampled(values: Tensor, at: Tensor, mode: str) -> Tensor:
    """A map ``(1, C, H / 8, W / 8)`` at pixels ``(N, 2)`` of the image: ``(N, C)``."""
    size = torch.tensor([values.shape[3], values.shape[2]]) * CELL
    grid = (2.0 * at / size - 1.0)[None, None]  # pixel centres at half-integers
    return F.grid_sample(values, grid, mode=mode, align_corners=False)[0, :, 0].T
