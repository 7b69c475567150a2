"""The field of a scene code: plane features, the MLP, density and colour, volume rendering."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsr.config import DecoderConfig, RendererConfig
from tsr.errors import TSRError

PLANE_AXES = ((0, 1), (0, 2), (1, 2))
"""The coordinates (width, height) at which each plane is sampled."""

SURFACE_DENSITY = 25.0
"""The density at the surface; it grows inwards."""


def surface_raw_density(cfg: RendererConfig) -> float:
    """Raw density at the surface, where ``exp(raw + density_bias)`` is :data:`SURFACE_DENSITY`.

    Args:
        cfg: The renderer's configuration, which holds the bias.
    """
    return math.log(SURFACE_DENSITY) - cfg.density_bias


def _fuses(features: Tensor) -> bool:
    """Whether linear layer and SiLU run as one on a CPU, which they do without gradients only.

    PyTorch's own SiLU rounds otherwise where a thread's share of the points ends, so that the field
    would depend on the number of threads.
    """
    return (
        features.device.type == "cpu"
        and features.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class Decoder(nn.Module):
    """MLP from features ``(..., 3C)`` to raw density and colour ``(..., 4)``."""

    def __init__(self, cfg: DecoderConfig) -> None:
        super().__init__()
        self.cfg = cfg
        layers: list[nn.Module] = []
        width = cfg.in_channels
        for _ in range(cfg.n_hidden_layers):
            layers += [nn.Linear(width, cfg.n_neurons), nn.SiLU()]
            width = cfg.n_neurons
        self.layers = nn.Sequential(*layers, nn.Linear(width, 4))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Raw ``density (..., 1)`` and ``features (..., 3)`` (colour before the sigmoid)."""
        out: Tensor
        if _fuses(features):
            out = features
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    activation = "none" if layer is self.layers[-1] else "swish"
                    out = torch.ops.mkldnn._linear_pointwise(
                        out, layer.weight, layer.bias, activation, [], ""
                    )
        else:
            out = self.layers(features)
        return {"density": out[..., :1], "features": out[..., 1:]}


def sample_planes(codes: Tensor, positions: Tensor) -> Tensor:
    """Plane features at points.

    Args:
        codes: ``(B, 3, C, S, S)``.
        positions: ``(B, N, 3)`` in -1..1.

    Returns:
        ``(B, N, 3C)``, plane-major.
    """
    grids = torch.stack([positions[..., axes] for axes in PLANE_AXES], dim=1)  # (B, 3, N, 2)
    b = len(codes)
    out = F.grid_sample(
        codes.flatten(0, 1),
        grids.flatten(0, 1)[:, :, None].to(codes.dtype),  # (3B, N, 1, 2)
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )  # (3B, C, N, 1)
    return out.reshape(b, 3 * codes.shape[2], positions.shape[1]).transpose(1, 2)


class Renderer(nn.Module):
    """Queries a scene code at points and along rays."""

    def __init__(self, cfg: RendererConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.chunk_size = 1 << 18

    def set_chunk_size(self, chunk_size: int) -> None:
        """Evaluate at most this many points at once; 0 means all at once."""
        if chunk_size < 0:
            raise TSRError(f"chunk_size must be 0 (no limit) or positive, not {chunk_size}")
        self.chunk_size = chunk_size

    def query_raw(self, decoder: nn.Module, points: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Raw outputs of one batch, differentiable, in one piece.

        Args:
            decoder: The model's decoder.
            points: ``(B, N, 3)`` in -radius..radius.
            codes: ``(B, 3, C, S, S)``.

        Returns:
            ``density (B, N, 1)`` and ``features (B, N, 3)``, before their activations.
        """
        out: dict[str, Tensor] = decoder(sample_planes(codes, points / self.cfg.radius))
        return out

    def query_triplane(
        self, decoder: nn.Module, positions: Tensor, triplane: Tensor
    ) -> dict[str, Tensor]:
        """The field at points.

        Args:
            decoder: The model's decoder.
            positions: ``(..., 3)`` in -radius..radius; for a batch ``(B, ..., 3)``.
            triplane: One scene code ``(3, C, S, S)`` or a batch ``(B, 3, C, S, S)``.

        Returns:
            ``density (..., 1)`` and ``features (..., 3)`` before, ``density_act`` and ``color``
            after their activations.
        """
        batched = triplane.ndim == 5
        codes = triplane if batched else triplane[None]
        if positions.shape[-1] != 3 or (batched and len(positions) != len(codes)):
            raise TSRError(
                f"positions {tuple(positions.shape)} do not fit scene codes {tuple(triplane.shape)}"
            )
        points = positions.reshape(len(codes), -1, 3)
        pieces = [self.query_raw(decoder, p, codes) for p in self._chunks(points)]
        out = {
            key: torch.cat([piece[key] for piece in pieces], dim=1).reshape(
                *positions.shape[:-1], pieces[0][key].shape[-1]
            )
            for key in ("density", "features")
        }
        out["density_act"] = torch.exp(out["density"] + self.cfg.density_bias)
        out["color"] = torch.sigmoid(out["features"])
        return out

    def _chunks(self, points: Tensor) -> tuple[Tensor, ...]:
        size = self.chunk_size // len(points) if self.chunk_size else points.shape[1]
        return torch.split(points, max(size, 1), dim=1)
