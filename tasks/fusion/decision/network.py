"""The fusing network: from all evidence in the common grid to what is solid.

A tyre is nearly a solid of revolution, so the network has two branches. One reads the statistics of
every channel around the axle and sees the whole section ``(R, Z)`` at once; the other is local in
three dimensions, reads the evidence at a node together with what the first branch found there,
and adds what does not turn with the axle: spokes, lugs, lettering. Both are plain U-Nets
(Ronneberger, Fischer and Brox, MICCAI 2015) with residual blocks, narrow enough to fit beside the
bundled model.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tasks.core.errors import ModelError
from tasks.fusion.decision.network_inputs import CHANNELS, FIELD_SCALE, mirror_channels
from tasks.fusion.grid import Field
from tsr.errors import WeightsError
from tsr.state_dict import read_state_dict

_FIELD = CHANNELS.index("symmetrised")


@dataclass(frozen=True)
class FuserSizes:
    """Sizes of the fusing network; the defaults are those of a new one.

    Args:
        section_widths: Channels of the section branch at its three resolutions.
        local_widths: Channels of the local branch at its three resolutions.
        section_kernel: Nodes along radius and axle that a convolution of the section branch spans.
        local_kernel: The same of the local branch.
        context: Channels that the section branch hands to the local branch.
        inputs: Channels of evidence read.
    """

    section_widths: tuple[int, int, int] = (24, 32, 48)
    local_widths: tuple[int, int, int] = (16, 32, 32)
    section_kernel: int = 5
    local_kernel: int = 3
    context: int = 16
    inputs: int = len(CHANNELS)

    @classmethod
    def of_weights(cls, weights: Mapping[str, Tensor]) -> FuserSizes:
        """The sizes that the shapes of a file's tensors tell.

        Raises:
            KeyError: A tensor is missing.
        """

        def widths(branch: str) -> tuple[int, int, int]:
            a, b, c = (len(weights[f"{branch}.{name}.weight"]) for name in _RESOLUTIONS)
            return a, b, c

        return cls(
            section_widths=widths("section"),
            local_widths=widths("local"),
            section_kernel=weights["section.fine.0.section.weight"].shape[-1],
            local_kernel=weights["local.fine.0.section.weight"].shape[-1],
            context=len(weights["section.head.weight"]) - 1,
            inputs=weights["section.stem.weight"].shape[1] // 3,
        )


_RESOLUTIONS = ("stem", "down1", "down2")
"""Layers of a :class:`UNet` whose outputs are as wide as its three resolutions."""


class Pointwise(nn.Conv2d):
    """A convolution of size 1, computed as one matrix product for each angle.

    Threads share the angles. In oneDNN's convolution they may share the channels that are summed as
    well, so that their number decides the order of the sum; and this takes half the time.

    Args:
        inputs: Channels read.
        outputs: Channels written.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(T, inputs, R, Z)`` to ``(T, outputs, R, Z)``."""
        if len(x) == 1 < x.shape[2]:  # threads share the rows of a single section
            by_row = self._products(x.movedim(2, 0).transpose(1, 2))
            return by_row.transpose(1, 2).movedim(0, 2).contiguous()
        return self._products(x)

    def _products(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        weight = self.weight.flatten(1).expand(len(x), -1, -1)
        found = torch.baddbmm(self.bias[:, None], weight, x.flatten(2))
        return found.reshape(len(x), -1, *x.shape[2:])


class Block(nn.Module):
    """A convolution of every channel by itself and two layers over channels, beside an identity.

    Of a full convolution's weights this needs a tenth (Liu et al., A ConvNet for the 2020s, 2022).

    Args:
        width: Channels.
        kernel: Nodes along radius and axle.
        turns: Whether it also looks at the angles before and after.
    """

    def __init__(self, width: int, kernel: int, *, turns: bool) -> None:
        super().__init__()
        self.section = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.angle = nn.Parameter(torch.zeros(2, width, 1, 1)) if turns else None
        self.first = Pointwise(width, 2 * width)
        self.second = Pointwise(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(T, C, R, Z)`` to the same; the angles run round."""
        near = self.section(x)
        if self.angle is not None:
            before, after = self.angle
            near = near + before * near.roll(1, 0) + after * near.roll(-1, 0)
        out: Tensor = self.second(functional.relu(self.first(near)))
        return x + out


class UNet(nn.Module):
    """Three resolutions, each half of the one before.

    Angles lie where batches do: convolutions over all three axes at once are slow on CPUs.

    Args:
        inputs: Channels read.
        widths: Channels at the three resolutions.
        outputs: Channels written.
        kernel: See :class:`Block`.
        turns: Whether it reads angles together, or every section for itself.
    """

    def __init__(
        self, inputs: int, widths: tuple[int, int, int], outputs: int, kernel: int, *, turns: bool
    ) -> None:
        super().__init__()
        a, b, c = widths

        def blocks(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(Block(width, kernel, turns=turns) for _ in range(count)))

        self.turns = turns
        self.stem = Pointwise(inputs, a)
        self.fine = blocks(a, 1)
        self.down1 = Pointwise(a, b)
        self.middle = blocks(b, 2)
        self.down2 = Pointwise(b, c)
        self.coarse = blocks(c, 3)
        self.up2 = Pointwise(c, b)
        self.merge2 = blocks(b, 2)
        self.up1 = Pointwise(b, a)
        self.merge1 = blocks(a, 2)
        self.head = Pointwise(a, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(T, inputs, R, Z)`` to ``(T, outputs, R, Z)``; sizes are multiples of four."""
        fine = self.fine(self.stem(x))
        middle = self.middle(self.down1(self._halved(fine)))
        coarse = self.coarse(self.down2(self._halved(middle)))
        middle = self.merge2(middle + self._doubled(self.up2(coarse)))
        out: Tensor = self.head(self.merge1(fine + self._doubled(self.up1(middle))))
        return out

    def _halved(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(x, 2)
        return 0.5 * (x[::2] + x[1::2]) if self.turns else x

    def _doubled(self, x: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2.0)
        return x.repeat_interleave(2, dim=0) if self.turns else x


class Fuser(nn.Module):
    """Both branches; they start from what the frames' fields say together.

    Args:
        sizes: Widths and kernels of both branches.
    """

    def __init__(self, sizes: FuserSizes = FuserSizes()) -> None:
        super().__init__()
        self.context = sizes.context
        self.section = UNet(
            3 * sizes.inputs,
            sizes.section_widths,
            sizes.context + 1,
            sizes.section_kernel,
            turns=False,
        )
        self.local = UNet(
            sizes.inputs + sizes.context, sizes.local_widths, 1, sizes.local_kernel, turns=True
        )
        for head in (self.section.head, self.local.head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, channels: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds of matter.

        Args:
            channels: ``(C, R, T, Z)``, all angles or, in training, some; a multiple of four.
            statistics: ``(3 * C, R, Z)`` of all angles, see :func:`statistics_of`.

        Returns:
            ``(R, T, Z)``, and ``(R, Z)`` of the section branch alone.
        """
        rows, columns = statistics.shape[1:]
        extra = (0, -columns % 4, 0, -rows % 4)
        found = self.section(functional.pad(statistics, extra)[None])  # (1, context + 1, R', Z')
        by_angle = functional.pad(channels.permute(2, 0, 1, 3), extra)  # (T, C, R', Z')
        context = found[:, : self.context].expand(len(by_angle), -1, -1, -1)
        local = self.local(torch.cat([by_angle, context], dim=1))[:, 0]
        section = found[0, -1, :rows, :columns]
        change = local[:, :rows, :columns].permute(1, 0, 2) + section[:, None]
        whole = FIELD_SCALE * statistics[_FIELD]  # the mean around
        return FIELD_SCALE * channels[_FIELD] + change, whole + section


def statistics_of(channels: Tensor) -> Tensor:
    """Mean, standard deviation and maximum around the axle.

    Args:
        channels: ``(C, R, T, Z)``.

    Returns:
        ``(3 * C, R, Z)``.
    """
    mean = channels.mean(dim=2)
    std = (channels - mean[:, :, None]).square().mean(dim=2).sqrt()
    return torch.cat([mean, std, channels.amax(dim=2)])


@functools.lru_cache(maxsize=2)
def load_fuser(path: Path, digest: str) -> Fuser:
    """The fusing network of a model's folder, loaded once per process.

    Args:
        path: Its weights; their shapes tell the network's sizes.
        digest: sha256 of the file, which tells changed weights apart.

    Raises:
        ModelError: The file cannot be read, holds another network, or one that reads other channels
            of evidence than this version gathers.
    """
    try:
        weights = read_state_dict(path)
    except WeightsError as exc:
        raise _unreadable(path, str(exc)) from exc
    try:
        sizes = FuserSizes.of_weights(weights)
        fuser = Fuser(sizes)
        fuser.load_state_dict(weights)
    except KeyError as exc:
        raise _unreadable(path, f"it lacks {exc.args[0]}") from exc
    except (RuntimeError, ValueError, IndexError) as exc:  # names, shapes, numbers of dimensions
        raise _unreadable(path, f"it holds another network: {exc}") from exc
    if sizes.inputs != len(CHANNELS):
        found = (
            f"it reads {sizes.inputs} channels of evidence, this version gathers {len(CHANNELS)}"
        )
        raise _unreadable(path, found)
    return fuser.eval()


def _unreadable(path: Path, why: str) -> ModelError:
    return ModelError(
        "model-unreadable",
        stage="models",
        what=f"{path} cannot be loaded: {why}",
        advice="Train the fusing network again or fetch the model's folder again; without"
        f" {path.name} the model is merged by weights set by hand",
    )


@torch.inference_mode()
def log_odds(fuser: Fuser, channels: NDArray[np.float32]) -> Field:
    """Log-odds of matter at every node.

    They are the mean of what the network says of the tyre and of its mirror image: it was trained
    on both, and errs differently on each.

    Args:
        fuser: The network.
        channels: ``(C, R, T, Z)`` as
            :func:`tasks.fusion.decision.network_inputs.evidence_channels` stacks them.

    Returns:
        ``(R, T, Z)`` float32.
    """
    evidence = torch.from_numpy(channels)
    found, _ = fuser(evidence, statistics_of(evidence))
    mirrored = mirror_channels(evidence)
    again, _ = fuser(mirrored, statistics_of(mirrored))
    return np.asarray((0.5 * (found + again.flip(-1))).numpy(), np.float32)
