"""Losses of points and colours that are made up, by the formula."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.training.reconstruction.losses import occupancy_and_colour_loss
from tsr.config import RendererConfig
from tsr.network.field import surface_raw_density

LOG_ODDS = (2.0, -1.0, 0.5)
"""Log odds of three points, of which the last lies outside of the field."""


class Made:
    """A model whose points have the log-odds above the surface's density that are told."""

    def __init__(self, bias: float) -> None:
        self.renderer = SimpleNamespace(cfg=RendererConfig(radius=1.0, density_bias=bias))

    def encode(self, image: Tensor) -> Tensor:
        return image

    def decode_points(self, codes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        assert points.shape == (1, 5, 3), "points, then those of the surface"
        raw = torch.tensor([*LOG_ODDS, 9.0, 9.0]) + surface_raw_density(self.renderer.cfg)
        colours = torch.zeros(1, 5, 3)
        colours[0, 3] = math.log(3.0)  # 0.75 behind the sigmoid
        return raw[None], colours


@pytest.mark.parametrize("bias", [-1.0, 1.5])
def test_points_within_the_field_and_colours_of_the_surface_count(bias: float) -> None:
    batch = {
        "image": torch.zeros(1, 3, 4, 4),
        "points": torch.tensor([[[0.0, 0, 0], [0.9, 0, 0], [0, 0, 1.1]]]),
        "inside": torch.tensor([[True, True, True]]),
        "surface": torch.zeros(1, 2, 3),
        "colour": torch.tensor([[[0.75, 0.75, 0.75], [0.5, 0.5, 0.0]]]),
    }
    model: Any = Made(bias)
    occupancy, colour = occupancy_and_colour_loss(model, batch, torch.float32)
    costs = [math.log(1 + math.exp(-x)) for x in LOG_ODDS[:2]]
    assert float(occupancy) == pytest.approx(sum(costs) / 2, rel=1e-5)
    assert float(colour) == pytest.approx(0.25 / 6, rel=1e-5)
