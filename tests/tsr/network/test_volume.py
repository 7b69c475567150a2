"""Rays where they must go, and what a slab of known density lets through."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tsr.config import RendererConfig
from tsr.network.field import Renderer
from tsr.network.volume import BOX, render_rays, spherical_rays


class Slab(Renderer):
    """A slab of one colour and density between two heights, nothing elsewhere."""

    def __init__(
        self, density: float, low: float, high: float, colour: tuple[float, ...], samples: int = 400
    ) -> None:
        super().__init__(RendererConfig(radius=1.0, num_samples_per_ray=samples))
        self.density, self.low, self.high = density, low, high
        self.colour = torch.tensor(colour)

    def query_triplane(
        self, decoder: nn.Module, positions: Tensor, triplane: Tensor
    ) -> dict[str, Tensor]:
        assert (positions.abs() <= 1.0).all(), "no sample lies outside the field"
        z = positions[..., 2:]
        inside = (z > self.low) & (z < self.high)
        return {"density_act": self.density * inside, "color": self.colour.expand_as(positions)}


def straight_down(*xy: tuple[float, float]) -> tuple[Tensor, Tensor]:
    origins = torch.tensor([[x, y, 3.0] for x, y in xy])
    return origins, torch.tensor([0.0, 0.0, -1.0]).expand_as(origins)


def rendered(slab: Slab, origins: Tensor, directions: Tensor) -> Tensor:
    return render_rays(slab, nn.Identity(), torch.zeros(1), origins, directions)


@pytest.mark.parametrize("density", [0.0, 1.0, 7.0])
def test_a_slab_lets_through_what_the_exponential_law_says(density: float) -> None:
    """A step is a share of the ray within the box, so that thickness counts in those."""
    slab = Slab(density, -0.25, 0.25, (0.2, 0.5, 0.9))
    share = 0.5 / (2 * BOX)
    clear = math.exp(-density * share)
    found = rendered(slab, *straight_down((0.0, 0.0), (0.7, -0.6)))
    expected = (1 - clear) * slab.colour + clear  # on white
    torch.testing.assert_close(found, expected.expand(2, 3), atol=0.02 * density / 7, rtol=1e-5)


def test_what_lies_in_front_hides_what_lies_behind() -> None:
    class Two(Slab):
        def query_triplane(
            self, decoder: nn.Module, positions: Tensor, triplane: Tensor
        ) -> dict[str, Tensor]:
            out = super().query_triplane(decoder, positions, triplane)
            upper = positions[..., 2:] > 0
            out["color"] = torch.where(
                upper, torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
            )
            return out

    slab = Two(1e6, -0.5, 0.5, (0.0, 0.0, 0.0))
    above, below = straight_down((0.1, 0.2))
    torch.testing.assert_close(rendered(slab, above, below), torch.tensor([[1.0, 0.0, 0.0]]))
    from_below = rendered(slab, above * torch.tensor([1, 1, -1]), -below)
    torch.testing.assert_close(from_below, torch.tensor([[0.0, 1.0, 0.0]]))


def test_rays_that_miss_the_box_or_graze_it_are_white() -> None:
    slab = Slab(1e6, -1.0, 1.0, (0.0, 0.0, 0.0))
    origins, directions = straight_down((0.9995, 0.0), (1.2, 0.0), (0.0, 0.0))
    found = rendered(slab, origins, directions)
    torch.testing.assert_close(found, torch.tensor([[1.0] * 3, [1.0] * 3, [0.0] * 3]))
    behind = rendered(slab, origins[2:], -directions[2:])
    torch.testing.assert_close(behind, torch.ones(1, 3))
    inside = rendered(slab, torch.zeros(1, 3), directions[2:])
    torch.testing.assert_close(inside, torch.zeros(1, 3))


def test_cameras_stand_evenly_around_the_axis_and_look_at_the_origin() -> None:
    origins, directions = spherical_rays(4, 30.0, 2.0, 40.0, 5, 7)
    assert origins.shape == directions.shape == (4, 5, 7, 3)
    low, high = 2 * math.cos(math.pi / 6), 1.0
    eyes = torch.tensor([[low, 0, high], [0, low, high], [-low, 0, high], [0, -low, high]])
    torch.testing.assert_close(origins[:, 0, 0], eyes, atol=1e-6, rtol=0)
    torch.testing.assert_close(directions[:, 2, 3], -eyes / 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(4, 5, 7))


def test_the_field_of_view_is_from_edge_to_edge_of_the_height() -> None:
    """Upper rows look up; seen from +x the right of the image is +y."""
    _, directions = spherical_rays(1, 0.0, 2.0, 40.0, 100, 60)
    up, down = directions[0, 0, 30], directions[0, -1, 30]
    half = math.tan(math.radians(20)) * 99 / 100  # middles of the outer pixels
    torch.testing.assert_close(up[2] / -up[0], torch.tensor(half))
    torch.testing.assert_close(down[2] / -down[0], torch.tensor(-half))
    assert directions[0, 50, -1, 1] > 0 > directions[0, 50, 0, 1]
