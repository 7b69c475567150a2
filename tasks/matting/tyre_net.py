"""The segmenter's network: an image to the part in every pixel.

A U-Net (Ronneberger, Fischer and Brox, MICCAI 2015) of residual blocks at five resolutions, half
the image's side to a thirty-second of it. In training every convolution is normalised over the
batch (Ioffe and Szegedy, 2015); without, features grew from level to level until those of the
finest, which place the edges, did not count. What is used is :func:`folded`: convolutions alone.
"""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tasks.matting.parts import CLASSES
from tsr.errors import WeightsError
from tsr.state_dict import read_state_dict

MULTIPLE_PX = 32
"""Sides of an image that the network reads are multiples of this."""

_WIDTHS = (16, 40, 80, 112, 128)
"""Channels at the five resolutions."""
_ENCODER = (0, 1, 1, 2, 2)
_DECODER = (1, 1, 1, 1)
"""Blocks at each resolution."""

_MOMENTUM = 0.02
"""Momentum of the running statistics; batches are small."""


class Block(nn.Module):
    """Two convolutions beside an identity.

    Args:
        width: Channels.
        norm: Whether each convolution is normalised.
    """

    def __init__(self, width: int, *, norm: bool) -> None:
        super().__init__()
        self.first = _convolution(width, width, 3, norm=norm)
        self.second = _convolution(width, width, 3, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same."""
        change: Tensor = self.second(functional.relu(self.first(functional.relu(x))))
        return x + change


class _Normalised(nn.Sequential):
    """A convolution and its normalisation over the batch."""

    def __init__(self, kernel: nn.Conv2d) -> None:
        super().__init__(kernel, nn.BatchNorm2d(kernel.out_channels, momentum=_MOMENTUM))


def _convolution(inputs: int, outputs: int, side: int, *, norm: bool, stride: int = 1) -> nn.Module:
    """A convolution that keeps the size at stride 1; normalised in training."""
    kernel = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=not norm)
    return _Normalised(kernel) if norm else kernel


class TyreNet(nn.Module):
    """The network; its sizes are fixed, its weights are 3.5 MB in half precision.

    Args:
        norm: Whether its convolutions are normalised over the batch, which training needs;
            :func:`folded` then gives the same network without.
    """

    def __init__(self, *, norm: bool = False) -> None:
        super().__init__()
        widths, steps = _WIDTHS, range(len(_WIDTHS) - 1)

        def blocks(level: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(Block(widths[level], norm=norm) for _ in range(count)))

        self.stem = _convolution(3, widths[0], 5, norm=norm, stride=2)
        self.encoder = nn.ModuleList(blocks(k, n) for k, n in enumerate(_ENCODER))
        self.down = nn.ModuleList(
            _convolution(widths[k], widths[k + 1], 3, norm=norm, stride=2) for k in steps
        )
        self.up = nn.ModuleList(_convolution(widths[k + 1], widths[k], 1, norm=norm) for k in steps)
        self.decoder = nn.ModuleList(blocks(k, n) for k, n in enumerate(_DECODER))
        self.head = nn.Conv2d(widths[0], CLASSES, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the parts.

        Args:
            images: ``(B, 3, H, W)`` as :func:`normalised` makes them, sides multiples of 32.

        Returns:
            ``(B, 3, H / 2, W / 2)``.
        """
        x = self.stem(images)
        beside = []
        for blocks, down in zip(self.encoder, self.down, strict=False):
            x = blocks(x)
            beside.append(x)
            x = down(functional.relu(x))
        x = self.encoder[-1](x)
        for up, blocks in zip(reversed(self.up), reversed(self.decoder), strict=True):
            larger = functional.interpolate(up(functional.relu(x)), scale_factor=2.0)
            x = blocks(beside.pop() + larger)
        logits: Tensor = self.head(functional.relu(x))
        return logits


def folded(network: TyreNet) -> TyreNet:
    """A normalised network as the equal one without: what is used, and what files hold."""
    plain = copy.deepcopy(network).eval()
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _Normalised):
                setattr(parent, name, fuse_conv_bn_eval(*child))
    return plain


def unfolded(plain: TyreNet, images: Tensor) -> TyreNet:
    """The reverse of :func:`folded`: a network to train on from weights that are used.

    Each normalisation is set so that it gives back what the plain convolution put out, by mean and
    spread of its channels over a batch.

    Args:
        plain: A network without normalisations.
        images: ``(B, 3, H, W)`` as :func:`normalised` makes them, such as it is trained on.
    """
    network = TyreNet(norm=True)
    network.head.load_state_dict(plain.head.state_dict())
    modules = dict(plain.named_modules())
    hooks = []
    for name, pair in network.named_modules():
        if isinstance(pair, _Normalised):
            hook = functools.partial(_set_normalisation, pair)
            hooks.append(modules[name].register_forward_hook(hook))
    with torch.no_grad():
        plain(images)
    for hook in hooks:
        hook.remove()
    return network


def _set_normalisation(pair: _Normalised, plain: nn.Conv2d, _: object, out: Tensor) -> None:
    """Copy a kernel and set its normalisation to what it put out ``(B, C, H, W)``."""
    kernel, norm = pair
    assert isinstance(kernel, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert plain.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    variance, mean = torch.var_mean(out, dim=(0, 2, 3), correction=0)
    kernel.weight.copy_(plain.weight)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean)
    norm.running_mean.copy_(mean - plain.bias)
    norm.running_var.copy_(variance)


def normalised(images: Tensor) -> Tensor:
    """Images ``(B, H, W, 3)`` uint8 RGB as the network reads them: ``(B, 3, H, W)`` float32."""
    return ((images.float() - 127.5) / 64.0).permute(0, 3, 1, 2)


def load_tyre_net(path: Path) -> TyreNet:
    """The network with the weights of a file.

    Raises:
        WeightsError: The file is not there, holds no weights, or those of another network.
    """
    network = TyreNet()
    state = read_state_dict(path)
    try:
        network.load_state_dict(state)
    except RuntimeError as exc:  # names or shapes differ
        raise WeightsError(f"{path} holds another network: {exc}") from exc
    return channels_last(network.eval())


def channels_last(network: TyreNet) -> TyreNet:
    """The network with its kernels laid out as CPUs convolve fastest."""
    laid_out: TyreNet = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out
