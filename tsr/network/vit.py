"""The image encoder: a ViT (DINO ViT-B/16 in the published checkpoint), with its state-dict names.

Source: arXiv 2010.11929; weights arXiv 2104.14294. Shapes: B images, N tokens, D hidden size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsr.config import ImageTokenizerConfig, ViTConfig
from tsr.network.attention import attend
from tsr.network.parameters import normal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PatchEmbeddings(nn.Module):
    """Patches to tokens."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        p = cfg.patch_size
        self.projection = nn.Conv2d(cfg.num_channels, cfg.hidden_size, kernel_size=p, stride=p)

    def forward(self, pixels: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, N, D)``."""
        x: Tensor = self.projection(pixels)
        return x.flatten(2).transpose(1, 2)


class Embeddings(nn.Module):
    """Class token, patches and positions."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        self.patch_size = cfg.patch_size
        self.side = cfg.image_size // cfg.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, cfg.hidden_size))
        self.position_embeddings = normal(1, 1 + self.side**2, cfg.hidden_size, std=0.02)
        self.patch_embeddings = PatchEmbeddings(cfg)

    def forward(self, pixels: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, 1 + N, D)``."""
        patches = self.patch_embeddings(pixels)
        x = torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches], dim=1)
        return x + self.positions(pixels.shape[-2], pixels.shape[-1]).to(x.dtype)

    def positions(self, height: int, width: int) -> Tensor:
        """Position embeddings ``(1, 1 + N, D)`` for an image of that size in pixels.

        The 0.1 and the scale factor (instead of a target size) are what the published weights
        were trained with: transformers up to 4.35 did so, later releases interpolate differently.
        """
        h, w = height // self.patch_size, width // self.patch_size
        if h == w == self.side:
            return self.position_embeddings
        cls, grid = self.position_embeddings[:, :1], self.position_embeddings[:, 1:]
        d = grid.shape[-1]
        grid = F.interpolate(
            grid.reshape(1, self.side, self.side, d).permute(0, 3, 1, 2),  # (1, D, side, side)
            scale_factor=((h + 0.1) / self.side, (w + 0.1) / self.side),
            mode="bicubic",
            align_corners=False,
        )
        return torch.cat([cls, grid.permute(0, 2, 3, 1).reshape(1, h * w, d)], dim=1)


class SelfAttention(nn.Module):
    """Queries, keys and values."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        self.num_heads = cfg.num_attention_heads
        d = cfg.hidden_size
        self.query = nn.Linear(d, d, bias=cfg.qkv_bias)
        self.key = nn.Linear(d, d, bias=cfg.qkv_bias)
        self.value = nn.Linear(d, d, bias=cfg.qkv_bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        q, k, v = (
            f(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, N, D / heads)
            for f in (self.query, self.key, self.value)
        )
        return attend(q, k, v).transpose(1, 2).flatten(2)


class Dense(nn.Module):
    """One linear layer under the checkpoint's name ``dense``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., inputs)`` to ``(..., outputs)``."""
        y: Tensor = self.dense(x)
        return y


class Attention(nn.Module):
    """Self-attention and its output projection."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(cfg)
        self.output = Dense(cfg.hidden_size, cfg.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        y: Tensor = self.output(self.attention(x))
        return y


class Layer(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        self.layernorm_before = nn.LayerNorm(cfg.hidden_size, eps=cfg.layer_norm_eps)
        self.attention = Attention(cfg)
        self.layernorm_after = nn.LayerNorm(cfg.hidden_size, eps=cfg.layer_norm_eps)
        self.intermediate = Dense(cfg.hidden_size, cfg.intermediate_size)
        self.output = Dense(cfg.intermediate_size, cfg.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        x = x + self.attention(self.layernorm_before(x))
        y: Tensor = self.output(F.gelu(self.intermediate(self.layernorm_after(x))))
        return x + y


class Encoder(nn.Module):
    """The stack of layers."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(cfg) for _ in range(cfg.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        for layer in self.layer:
            x = layer(x)
        return x


class ViT(nn.Module):
    """The encoder; the pooler is in the checkpoint but its output is unused."""

    def __init__(self, cfg: ViTConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(cfg)
        self.encoder = Encoder(cfg)
        self.layernorm = nn.LayerNorm(cfg.hidden_size, eps=cfg.layer_norm_eps)
        self.pooler = Dense(cfg.hidden_size, cfg.hidden_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised images ``(B, 3, H, W)`` to ``(B, 1 + N, D)``."""
        y: Tensor = self.layernorm(self.encoder(self.embeddings(pixels)))
        return y


class ImageTokenizer(nn.Module):
    """Images 0..1 to tokens, class token included."""

    def __init__(self, cfg: ImageTokenizerConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.model = ViT(cfg.vit)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` float 0..1 to ``(B, 1 + N, D)``."""
        mean = torch.tensor(IMAGENET_MEAN, dtype=images.dtype, device=images.device)
        std = torch.tensor(IMAGENET_STD, dtype=images.dtype, device=images.device)
        y: Tensor = self.model((images - mean[:, None, None]) / std[:, None, None])
        return y
