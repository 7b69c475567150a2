"""The fast evaluation of a scene code against the network's own."""

from __future__ import annotations

import logging

import pytest
import torch

from tests.tsr.surface.shapes import Torus
from tsr.errors import OutOfMemoryError
from tsr.surface.extract import (
    colours,
    log_density,
    plane_field,
)
from tsr.surface.planes import GridField


def test_fast_evaluation_equals_the_network(torus: Torus) -> None:
    model, code = torus
    points = (torch.rand(5000, 3) - 0.5) * 2  # some outside the cube
    with torch.no_grad():
        out = model.renderer.query_triplane(model.decoder, points, code)
    scale = float(out["density"].abs().max())
    torch.testing.assert_close(
        log_density(model, code, points), out["density"][:, 0] - 1, atol=1e-5 * scale, rtol=0
    )
    torch.testing.assert_close(colours(model, code, points), out["color"], atol=1e-4, rtol=0)
    index = torch.randint(0, 50, (5000, 3))
    grid = GridField(plane_field(model, code), 50).log_density(index)
    at = log_density(model, code, index * (2 * 0.87 / 49) - 0.87)
    torch.testing.assert_close(grid, at, atol=1e-5 * scale, rtol=0)
    assert log_density(model, code, points[:0]).shape == (0,)


def test_out_of_memory_halves_the_chunk_once(
    torus: Torus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, code = torus
    linear, limit = torch.nn.functional.linear, 300

    def tight(x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        if len(x) > limit:
            raise torch.OutOfMemoryError("injected")
        return linear(x, *rest)

    monkeypatch.setattr("tsr.surface.planes.F.linear", tight)
    field = plane_field(model, code)
    points = torch.zeros(1000, 3)
    field.chunk = 400
    with caplog.at_level(logging.WARNING):
        assert len(field.log_density(points)) == 1000
    assert [r.message for r in caplog.records] == [
        "out of memory with 400 points at once; trying 200"
    ]
    field.chunk = 1000
    with pytest.raises(OutOfMemoryError, match="with 1000 and with 500 points"):
        field.log_density(points)
