"""Fast evaluation of a scene code: the MLP's first layer is moved into the planes.

``W [f_xy, f_xz, f_yz] = W1 f_xy + W2 f_xz + W3 f_yz``, and each term can be computed once per
texel, as bilinear sampling is linear too. On a grid a plane's term depends on two indices alone:
three tables of ``R * R`` rows replace ``R**3`` samples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsr.config import RendererConfig
from tsr.memory import halve_once
from tsr.network.field import PLANE_AXES, Decoder

CHUNK = 4096
"""Points at once: on CPUs the activations of the MLP's 64 neurons, 1 MB, then stay in the cache."""
CUDA_CHUNK = 1 << 21


class PlaneField:
    """The field of one scene code.

    Args:
        decoder: The model's decoder.
        cfg: The renderer's configuration.
        code: ``(3, C, S, S)``.
        dtype: Precision of the MLP's hidden layers; its last layer is always float32.
    """

    def __init__(
        self, decoder: Decoder, cfg: RendererConfig, code: Tensor, dtype: torch.dtype | None = None
    ) -> None:
        linear = [layer for layer in decoder.layers if isinstance(layer, nn.Linear)]
        self.cfg = cfg
        self.device = linear[0].weight.device
        code = code.detach().to(self.device, torch.float32)
        self.dtype = dtype or torch.float32
        self.size = code.shape[-1]
        first = linear[0].weight.detach().float().reshape(-1, 3, code.shape[1])  # (n, 3, C)
        # (3, S, S, n), indexed by width, then height: the order of each plane's coordinates
        self.maps = torch.einsum("npc,pchw->pwhn", first, code).contiguous()
        self.first_bias = linear[0].bias.detach().float()
        self.hidden = [
            (layer.weight.detach().to(self.dtype), layer.bias.detach().to(self.dtype))
            for layer in linear[1:-1]
        ]
        self.last = linear[-1].weight.detach().float(), linear[-1].bias.detach().float()
        self.chunk = CUDA_CHUNK if self.device.type == "cuda" else CHUNK

    def evaluate(self, points: Tensor, outputs: int = 4) -> Tensor:
        """Raw outputs of the decoder at points.

        Args:
            points: ``(N, 3)`` in -radius..radius.
            outputs: The first is the raw density, the other three the colour before the sigmoid.

        Returns:
            ``(N, outputs)`` float32.
        """
        table = self.maps.flatten(0, 2)

        def features(part: Tensor) -> Tensor:
            index, weight = self._taps(part)
            return F.embedding_bag(index, table, mode="sum", per_sample_weights=weight).add_(
                self.first_bias
            )

        return self.run(points.to(self.device), features, outputs)

    def log_density(self, points: Tensor) -> Tensor:
        """Natural logarithm of the density ``(N,)`` at ``points (N, 3)``."""
        return self.evaluate(points, 1)[:, 0] + self.cfg.density_bias

    def _taps(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the texel table and their weights, ``(N, 12)`` each: bilinear, zeros outside."""
        s = self.size
        position = (points.float() / self.cfg.radius + 1) * (s / 2) - 0.5  # (N, 3) in texels
        low = position.floor()
        fraction = position - low
        ends = torch.stack([low, low + 1])  # (2, N, 3)
        weights = torch.stack([1 - fraction, fraction]) * ((ends >= 0) & (ends < s))
        texels = ends.clamp_(0, s - 1).long()
        index, weight = [], []
        for plane, (a, b) in enumerate(PLANE_AXES):
            for i in range(2):
                for j in range(2):
                    index.append((plane * s + texels[i, :, a]) * s + texels[j, :, b])
                    weight.append(weights[i, :, a] * weights[j, :, b])
        return torch.stack(index, 1), torch.stack(weight, 1)

    def run(self, items: Tensor, features: Callable[[Tensor], Tensor], outputs: int) -> Tensor:
        """Evaluate the MLP from its second layer on, in chunks.

        Args:
            items: ``(N, 3)``, one row for each point.
            features: Rows ``(M, 3)`` of ``items`` to sums ``(M, n)`` before the first activation.
            outputs: How many of the four outputs to compute.

        Returns:
            ``(N, outputs)`` float32.
        """
        weight, bias = self.last[0][:outputs], self.last[1][:outputs]

        def work(chunk: int) -> Tensor:
            out = torch.empty(len(items), outputs, device=self.device)
            for start in range(0, len(items), chunk):
                part = items[start : start + chunk]
                h = F.silu(features(part).to(self.dtype), inplace=True)
                for w, b in self.hidden:
                    h = F.silu(F.linear(h, w, b), inplace=True)
                out[start : start + chunk] = F.linear(h.float(), weight, bias)
            return out

        with torch.inference_mode():
            return halve_once(work, self.chunk, "points")


class GridField:
    """A scene code on the grid of ``resolution**3`` points.

    Args:
        field: The scene code's field.
        resolution: Points per axis.
    """

    def __init__(self, field: PlaneField, resolution: int) -> None:
        self.field = field
        self.resolution = resolution
        s = field.size
        axis = torch.linspace(-1, 1, resolution, device=field.device)
        position = axis.add_(1).mul_(s / 2).sub_(0.5)  # in texels
        texel = torch.arange(s, device=field.device)
        weights = (1 - (position[:, None] - texel).abs()).clamp_(min=0)  # (R, S) bilinear
        with torch.inference_mode():
            w = weights.to(field.dtype)
            table = w.new_empty(3, resolution, resolution, field.maps.shape[-1])
            for plane, out in zip(field.maps.to(field.dtype), table, strict=True):  # (S, S, n)
                rows = (w @ plane.flatten(1)).unflatten(1, (s, -1))  # (R, S, n)
                torch.bmm(w.expand(resolution, -1, -1), rows, out=out)  # (R, R, n)
            table[0] += field.first_bias.to(field.dtype)
            self.table = table.flatten(0, 2)  # (3 * R * R, n)

    def evaluate(self, index: Tensor, outputs: int = 1) -> Tensor:
        """Raw outputs ``(N, outputs)`` at grid points ``index (N, 3)`` int."""
        r = self.resolution

        def features(part: Tensor) -> Tensor:
            rows = torch.stack(
                [(p * r + part[:, a]) * r + part[:, b] for p, (a, b) in enumerate(PLANE_AXES)], 1
            )
            return F.embedding_bag(rows, self.table, mode="sum")

        return self.field.run(index.to(self.field.device), features, outputs)

    def planes(self, index: Tensor) -> Tensor:
        """The planes' terms ``(3, M, M, n)`` at pairs of grid indices ``(M,)``."""
        rows = (index[:, None] * self.resolution + index).flatten()
        table = self.table.view(3, self.resolution**2, -1)
        return table[:, rows].float().reshape(3, len(index), len(index), -1)

    def log_density(self, index: Tensor) -> Tensor:
        """Natural logarithm of the density ``(N,)`` at grid points ``index (N, 3)`` int."""
        return self.evaluate(index)[:, 0] + self.field.cfg.density_bias
