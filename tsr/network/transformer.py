"""Triplane tokens, the transformer that fills them from image tokens, and the upsampling.

Source: arXiv 2403.02151, section 2. Shapes: B images, C channels, P plane size, N = 3 * P * P.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsr.config import BackboneConfig, PostProcessorConfig, TokenizerConfig
from tsr.network.attention import attend
from tsr.network.parameters import normal
from tsr.precision import cached_casts


class TriplaneTokenizer(nn.Module):
    """The learned tokens, plane-major, then row, then column."""

    def __init__(self, cfg: TokenizerConfig) -> None:
        super().__init__()
        self.cfg = cfg
        c, p = cfg.num_channels, cfg.plane_size
        self.embeddings = normal(3, c, p, p, std=c**-0.5)

    def forward(self) -> Tensor:
        """Tokens ``(1, C, N)``, the same for all images."""
        return self.embeddings.permute(1, 0, 2, 3).flatten(1)[None]  # (1, C, 3 * P * P)

    def detokenize(self, tokens: Tensor) -> Tensor:
        """``(B, C, N)`` to planes ``(B, 3, C, P, P)``."""
        p = self.cfg.plane_size
        return tokens.reshape(*tokens.shape[:2], 3, p, p).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention to ``context``, without biases on queries, keys and values."""

    def __init__(self, channels: int, context: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_dim
        self.to_q = nn.Linear(channels, inner, bias=False)
        self.to_k = nn.Linear(context, inner, bias=False)
        self.to_v = nn.Linear(context, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, channels)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``(B, N, C)``, or one for all ``(1, N, C)``, attending to ``(B, M, context)``."""
        q, k, v = (
            y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N or M, head_dim)
            for y in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        q = q.expand(len(k), -1, -1, -1)
        y: Tensor = self.to_out[0](attend(q, k, v).transpose(1, 2).flatten(2))
        return y


class GEGLU(nn.Module):
    """A linear layer whose second half gates the first (arXiv 2002.05202)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., inputs)`` to ``(..., outputs)``."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        # A GELU of what lies in one piece is oneDNN's; PyTorch's own rounds otherwise where a
        # thread's share ends. In place: these are the largest activations there are.
        return F.gelu(gate.contiguous()).mul_(value)


ROWS = 1024
"""Tokens at once on CPUs: what a layer makes of them stays in the caches and is not paged anew."""


class FeedForward(nn.Module):
    """GEGLU to four times the width and back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            GEGLU(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, C)`` to ``(B, N, C)``."""
        if x.device.type == "cpu" and x.shape[1] > ROWS:
            return torch.cat([self.net(part) for part in torch.split(x, ROWS, dim=1)], dim=1)
        y: Tensor = self.net(x)
        return y


class Block(nn.Module):
    """Self-attention, cross-attention to the image, feed-forward; each pre-norm and residual."""

    def __init__(self, cfg: BackboneConfig) -> None:
        super().__init__()
        h, d = cfg.num_attention_heads, cfg.attention_head_dim
        inner = h * d
        self.norm1 = nn.LayerNorm(inner)
        self.attn1 = Attention(inner, inner, h, d)
        self.norm2 = nn.LayerNorm(inner)
        self.attn2 = Attention(inner, cfg.cross_attention_dim, h, d)
        self.norm3 = nn.LayerNorm(inner)
        self.ff = FeedForward(inner)

    def attend_to_itself(self, x: Tensor) -> Tensor:
        """Self-attention: ``(B, N, C)`` to ``(B, N, C)``."""
        y = self.norm1(x)
        z: Tensor = x + self.attn1(y, y)
        return z

    def attend_to_image(self, x: Tensor, image_tokens: Tensor) -> Tensor:
        """Cross-attention and feed-forward: ``(B, N, C)`` or ``(1, N, C)`` to ``(B, N, C)``."""
        x = x + self.attn2(self.norm2(x), image_tokens)
        z: Tensor = self.ff(self.norm3(x))
        return x + z


class Transformer(nn.Module):
    """The backbone; its input is added to its output."""

    def __init__(self, cfg: BackboneConfig) -> None:
        super().__init__()
        self.cfg = cfg
        inner = cfg.num_attention_heads * cfg.attention_head_dim
        self.norm = nn.GroupNorm(cfg.norm_num_groups, cfg.in_channels, eps=1e-6)
        self.proj_in = nn.Linear(cfg.in_channels, inner)
        self.transformer_blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.num_layers))
        self.proj_out = nn.Linear(inner, cfg.in_channels)

    def initial_state(self, tokens: Tensor) -> Tensor:
        """The state before the first cross-attention, which is the same for all images.

        Args:
            tokens: Triplane tokens ``(1, C, N)``.

        Returns:
            ``(1, N, C)``.
        """
        x = self.proj_in(self.norm(tokens).transpose(1, 2))
        return self._blocks()[0].attend_to_itself(x)

    def initial_parameters(self) -> list[nn.Parameter]:
        """The parameters that :meth:`initial_state` depends on."""
        first = self._blocks()[0]
        parts = (self.norm, self.proj_in, first.norm1, first.attn1)
        return [p for part in parts for p in part.parameters()]

    def _blocks(self) -> list[Block]:
        return [cast(Block, block) for block in self.transformer_blocks]

    def forward(
        self, tokens: Tensor, initial: Tensor, image_tokens: Tensor, chunk: int = 0
    ) -> Tensor:
        """Fill the triplane tokens from the tokens of images.

        Args:
            tokens: Triplane tokens ``(1, C, N)``.
            initial: What :meth:`initial_state` makes of them, ``(1, N, C)``.
            image_tokens: ``(B, M, D)``.
            chunk: Images that go through a block together, 0 for all: one image of a large
                network keeps a CPU busy, and a block's weights are read once for all of them.

        Returns:
            ``(B, C, N)``.
        """
        parts = torch.split(image_tokens, chunk or len(image_tokens))
        states = [initial] * len(parts)
        for number, block in enumerate(self._blocks()):
            with cached_casts(initial.device):
                for k, part in enumerate(parts):
                    x = block.attend_to_itself(states[k]) if number else initial
                    states[k] = block.attend_to_image(x, part)
        y: Tensor = self.proj_out(torch.cat(states))
        return y.transpose(1, 2) + tokens


class TriplaneUpsample(nn.Module):
    """A transposed convolution on each plane."""

    def __init__(self, cfg: PostProcessorConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.upsample = nn.ConvTranspose2d(
            cfg.in_channels, cfg.out_channels, kernel_size=cfg.stride, stride=cfg.stride
        )

    def forward(self, planes: Tensor) -> Tensor:
        """``(B, 3, C, P, P)`` to ``(B, 3, C', stride * P, stride * P)``."""
        y: Tensor = self.upsample(planes.flatten(0, 1))
        return y.reshape(-1, 3, *y.shape[1:])
