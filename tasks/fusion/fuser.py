"""The fusing network: from all evidence in the common grid to what is solid.

A tyre is nearly a solid of revolution, so the network has two branches. One reads the statistics of
every channel around the axle and sees the whole section ``(R, Z)`` at once; the other is local in
three dimensions, reads the evidence at its place together with what the first branch found there,
and adds what does not turn with the axle: spokes, lugs, lettering. Both are plain U-Nets
(Ronneberger, Fischer and Brox, MICCAI 2015) with residual blocks.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from tasks.fusion.channels import CHANNELS, FIELD_SCALE
from tasks.fusion.grid import Field

SECTION_WIDTHS = (24, 40, 48)
LOCAL_WIDTHS = (16, 32, 32)
CONTEXT = 16
_FIELD = CHANNELS.index("blended")


class Block2d(nn.Module):
    """Two convolutions beside an identity, ``(N, C, R, Z)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, of the input's shape."""
        out: Tensor = self.second(functional.relu(self.first(functional.relu(x))))
        return x + out


class Block3d(nn.Module):
    """Two convolutions beside an identity, ``(N, C, R, T, Z)``; the angle runs round."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3, padding=(1, 0, 1))
        self.second = nn.Conv3d(width, width, 3, padding=(1, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, of the input's shape."""
        out: Tensor = self.first(around(functional.relu(x)))
        out = self.second(around(functional.relu(out)))
        return x + out


def around(x: Tensor) -> Tensor:
    """``(N, C, R, T, Z)`` with one more angle at either end, as the circle goes on."""
    return torch.cat([x[:, :, :, -1:], x, x[:, :, :, :1]], dim=3)


class SectionNet(nn.Module):
    """From statistics around the axle to features and log-odds of the section."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = SECTION_WIDTHS
        self.stem = nn.Conv2d(3 * len(CHANNELS), a, 1)
        self.fine = Block2d(a)
        self.down1 = nn.Conv2d(a, b, 2, stride=2)
        self.middle = nn.Sequential(Block2d(b), Block2d(b))
        self.down2 = nn.Conv2d(b, c, 2, stride=2)
        self.coarse = nn.Sequential(Block2d(c), Block2d(c), Block2d(c))
        self.up2 = nn.ConvTranspose2d(c, b, 2, stride=2)
        self.merge2 = Block2d(b)
        self.up1 = nn.ConvTranspose2d(b, a, 2, stride=2)
        self.merge1 = nn.Sequential(Block2d(a), Block2d(a))
        self.head = nn.Conv2d(a, CONTEXT + 1, 1)

    def forward(self, statistics: Tensor) -> Tensor:
        """``(N, 3 * C, R, Z)`` to ``(N, CONTEXT + 1, R, Z)``; R and Z are multiples of four."""
        fine = self.fine(self.stem(statistics))
        middle = self.middle(self.down1(fine))
        coarse = self.coarse(self.down2(middle))
        middle = self.merge2(middle + self.up2(coarse))
        out: Tensor = self.head(self.merge1(fine + self.up1(middle)))
        return out


class LocalNet(nn.Module):
    """From evidence and the section's features to a correction of the section's log-odds."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = LOCAL_WIDTHS
        self.stem = nn.Conv3d(len(CHANNELS) + CONTEXT, a, 1)
        self.fine = Block3d(a)
        self.down1 = nn.Conv3d(a, b, 2, stride=2)
        self.middle = nn.Sequential(Block3d(b), Block3d(b))
        self.down2 = nn.Conv3d(b, c, 2, stride=2)
        self.coarse = nn.Sequential(Block3d(c), Block3d(c))
        self.up2 = nn.ConvTranspose3d(c, b, 2, stride=2)
        self.merge2 = Block3d(b)
        self.up1 = nn.ConvTranspose3d(b, a, 2, stride=2)
        self.merge1 = Block3d(a)
        self.head = nn.Conv3d(a, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C + CONTEXT, R, T, Z)`` to ``(N, 1, R, T, Z)``; sizes are multiples of four."""
        fine = self.fine(self.stem(x))
        middle = self.middle(self.down1(fine))
        coarse = self.coarse(self.down2(middle))
        middle = self.merge2(middle + self.up2(coarse))
        out: Tensor = self.head(self.merge1(fine + self.up1(middle)))
        return out


class Fuser(nn.Module):
    """Both branches; they start from what the frames' fields say together."""

    def __init__(self) -> None:
        super().__init__()
        self.section = SectionNet()
        self.local = LocalNet()
        for head in (self.section.head, self.local.head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, channels: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds of matter.

        Args:
            channels: ``(N, C, R, T, Z)``, all angles or, in training, some.
            statistics: ``(N, 3 * C, R, Z)`` of all angles, see :func:`statistics_of`.

        Returns:
            ``(N, R, T, Z)``, and ``(N, R, Z)`` of the section branch alone.
        """
        rows, columns = statistics.shape[2:]
        extra = (0, -columns % 4, 0, -rows % 4)
        found = self.section(functional.pad(statistics, extra))  # (N, CONTEXT + 1, R', Z')
        section = found[:, -1]
        context = found[:, :CONTEXT, :, None]
        angles = channels.shape[3]
        padded = functional.pad(channels, (extra[0], extra[1], 0, 0, extra[2], extra[3]))
        both = torch.cat([padded, context.expand(-1, -1, -1, angles, -1)], dim=1)
        local = self.local(both)[:, 0] + section[:, :, None]
        start = FIELD_SCALE * channels[:, _FIELD]
        whole = FIELD_SCALE * statistics[:, _FIELD]  # the mean around
        return start + local[:, :rows, :, :columns], whole + section[:, :rows, :columns]


def statistics_of(channels: Tensor) -> Tensor:
    """Mean, standard deviation and maximum around the axle.

    Args:
        channels: ``(N, C, R, T, Z)``.

    Returns:
        ``(N, 3 * C, R, Z)``.
    """
    mean = channels.mean(dim=3)
    spread = (channels - mean[:, :, :, None]).square().mean(dim=3).sqrt()
    return torch.cat([mean, spread, channels.amax(dim=3)], dim=1)


@functools.lru_cache(maxsize=2)
def load_fuser(path: Path, digest: str) -> Fuser:
    """The fusing network of a model's folder, loaded once per process.

    Args:
        path: Its weights.
        digest: Their sha256; tells changed weights apart.
    """
    fuser = Fuser()
    fuser.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return fuser.eval()


@torch.inference_mode()
def log_odds(fuser: Fuser, channels: NDArray[np.float32]) -> Field:
    """Log-odds of matter at every node.

    Args:
        fuser: The network.
        channels: ``(C, R, T, Z)``, see :func:`tasks.fusion.channels.evidence_channels`.

    Returns:
        ``(R, T, Z)`` float32.
    """
    batch = torch.from_numpy(channels)[None]
    found, _ = fuser(batch, statistics_of(batch))
    return np.asarray(found[0].numpy(), np.float32)
