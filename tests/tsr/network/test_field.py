"""The field's density and its surface."""

from __future__ import annotations

import pytest
import torch

from bench.fields import MAJOR, MINOR, full_size_config, torus_model
from tsr.config import RendererConfig
from tsr.network.field import SURFACE_DENSITY, Decoder, Renderer, surface_raw_density


@pytest.mark.parametrize("bias", [-1.0, 0.0, 2.5])
def test_the_surface_is_where_the_density_is_that_of_the_surface(bias: float) -> None:
    cfg = RendererConfig(density_bias=bias)
    decoder = Decoder(full_size_config().decoder)
    last = decoder.layers[-1]
    with torch.no_grad():
        last.get_parameter("weight").zero_()
        last.get_parameter("bias")[:] = surface_raw_density(cfg)
        out = Renderer(cfg).query_triplane(decoder, torch.zeros(7, 3), torch.zeros(3, 40, 4, 4))
    torch.testing.assert_close(out["density_act"], torch.full((7, 1), SURFACE_DENSITY))


def test_points_on_the_torus_have_the_raw_density_of_the_surface() -> None:
    model, code = torus_model()
    ring = torch.tensor([[MAJOR + MINOR, 0.0, 0.0], [0.0, MAJOR - MINOR, 0.0], [MAJOR, 0.0, MINOR]])
    with torch.no_grad():
        raw = model.renderer.query_triplane(model.decoder, ring, code)["density"][:, 0]
    level = surface_raw_density(model.cfg.renderer)
    torch.testing.assert_close(raw, torch.full((3,), level), atol=1.0, rtol=0)  # the slope is 60
