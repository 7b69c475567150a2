"""A full-size TripoSR decoder and a scene code whose density is a torus of a tyre's proportions."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tsr.config import (
    BackboneConfig,
    DecoderConfig,
    ImageTokenizerConfig,
    PostProcessorConfig,
    RendererConfig,
    TokenizerConfig,
    TSRConfig,
    ViTConfig,
)
from tsr.network.field import surface_raw_density
from tsr.system import TSR

MAJOR, MINOR = 0.45, 0.14
"""Radii of the torus, in the field's units; its axis is z."""
STEEPNESS = 60.0
"""Slope of the log-density at the surface, per unit."""


def full_size_config() -> TSRConfig:
    """The configuration of the published checkpoint."""
    return TSRConfig(
        cond_image_size=512,
        tokenizer=TokenizerConfig(plane_size=32, num_channels=1024),
        backbone=BackboneConfig(
            in_channels=1024,
            num_attention_heads=16,
            attention_head_dim=64,
            num_layers=16,
            cross_attention_dim=768,
        ),
        post_processor=PostProcessorConfig(in_channels=1024, out_channels=40),
        decoder=DecoderConfig(in_channels=120, n_neurons=64, n_hidden_layers=9),
        renderer=RendererConfig(),
    )


def torus_model(device: str | torch.device = "cpu", seed: int = 0) -> tuple[TSR, Tensor]:
    """A model with the full-size decoder, and a code ``(3, 40, 64, 64)`` of a torus.

    Two neurons of every layer hold u and -u, for ``silu(u) - silu(-u) = u`` carries a number
    through exactly; all the others are random and end in the colour. The rest of the network is
    as small as can be.
    """
    cfg = replace(
        full_size_config(),
        cond_image_size=16,
        image_tokenizer=ImageTokenizerConfig(vit=ViTConfig(16, 1, 1, 16, image_size=16)),
        tokenizer=TokenizerConfig(plane_size=32, num_channels=32),
        backbone=BackboneConfig(32, 1, 32, 1, cross_attention_dim=16),
        post_processor=PostProcessorConfig(in_channels=32, out_channels=40),
    )
    model = TSR(cfg)
    generator = torch.Generator().manual_seed(seed)
    linear = [layer for layer in model.decoder.layers if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            shape = layer.weight.shape
            weight = torch.randn(shape, generator=generator) * (2 / shape[1]) ** 0.5
            weight[:2] = 0
            layer.weight = nn.Parameter(weight)
            layer.bias = nn.Parameter(torch.zeros(shape[0]))
        scale = STEEPNESS / (2 * MINOR)
        linear[0].weight[0, [0, 40]] = -scale
        linear[0].weight[1, [0, 40]] = scale
        for layer in linear[1:-1]:
            layer.weight[0, :2] = torch.tensor([1.0, -1.0])
            layer.weight[1, :2] = torch.tensor([-1.0, 1.0])
        linear[-1].weight[0, :2] = torch.tensor([1.0, -1.0])
        linear[-1].bias[0] = scale * MINOR**2 + surface_raw_density(cfg.renderer)
        code = torch.randn(3, 40, 64, 64, generator=generator)
        axis = ((torch.arange(64) + 0.5) / 32 - 1) * cfg.renderer.radius  # texel centres
        y, x = axis[:, None], axis[None, :]
        code[0, 0] = ((x**2 + y**2).sqrt() - MAJOR) ** 2
        code[1, 0] = axis[:, None] ** 2  # rows of plane 1 run along z
    return model.to(device).eval(), code.to(device)
