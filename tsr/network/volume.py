"""Previews: cameras on a circle around the object, and volume rendering.

Source: arXiv 2403.02151; the camera's defaults are those the model was trained with.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tsr.network.field import Renderer

BOX = 1 - 1e-3
"""Rays are cut by a box a little smaller than the field's, so that no sample lies outside."""
SHORTEST = 0.01
"""Rays with less than this inside the box are empty."""


def spherical_rays(
    n_views: int,
    elevation_deg: float,
    camera_distance: float,
    fovy_deg: float,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor]:
    """Rays of cameras evenly around the z axis, the first on +x, looking at the origin.

    Returns:
        Origins and unit directions, ``(n_views, height, width, 3)`` each.
    """
    azimuth = torch.arange(n_views) * (2 * math.pi / max(n_views, 1))
    elevation = math.radians(elevation_deg)
    eye = camera_distance * torch.stack(
        [
            math.cos(elevation) * azimuth.cos(),
            math.cos(elevation) * azimuth.sin(),
            torch.full_like(azimuth, math.sin(elevation)),
        ],
        dim=1,
    )  # (V, 3)
    forward = -eye / eye.norm(dim=1, keepdim=True)
    up = torch.tensor([0.0, 0.0, 1.0]).expand_as(forward)
    right = torch.linalg.cross(forward, up)
    right = right / right.norm(dim=1, keepdim=True)
    up = torch.linalg.cross(right, forward)
    focal = 0.5 * height / math.tan(0.5 * math.radians(fovy_deg))
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    x, y = (u - width / 2) / focal, (height / 2 - v) / focal  # (H, W)
    directions = (
        forward[:, None, None]
        + x[..., None] * right[:, None, None]
        + y[..., None] * up[:, None, None]
    )
    directions = directions / directions.norm(dim=-1, keepdim=True)
    return eye[:, None, None].expand_as(directions), directions


def render_rays(
    renderer: Renderer, decoder: nn.Module, code: Tensor, origins: Tensor, directions: Tensor
) -> Tensor:
    """Colours ``(..., 3)`` in 0..1 of rays ``(..., 3)``, on white."""
    cfg = renderer.cfg
    o, d = origins.reshape(-1, 3), directions.reshape(-1, 3)
    safe = torch.where(d.abs() < 1e-6, 1e-6, d)
    limit = cfg.radius * BOX
    a, b = (limit - o) / safe, (-limit - o) / safe
    near = torch.minimum(a, b).amax(1).clamp_min(0)
    far = torch.maximum(a, b).amin(1)
    hit = far - near > SHORTEST
    o, d, near, far = o[hit], d[hit], near[hit, None], far[hit, None]
    n = cfg.num_samples_per_ray
    t = (torch.arange(n, device=o.device) + 0.5) / n  # middles of equal steps
    z = near * (1 - t) + far * t  # (rays, n)
    out = renderer.query_triplane(decoder, o[:, None] + z[..., None] * d[:, None], code)
    alpha = 1 - torch.exp(-out["density_act"][..., 0] / n)  # the step is not metric
    clear = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha[:, :-1]], 1), 1)
    weight = alpha * clear  # (rays, n)
    colour = (weight[..., None] * out["color"]).sum(1) + (1 - weight.sum(1, keepdim=True))
    image = torch.ones(len(hit), 3, device=o.device)
    image[hit] = colour
    return image.reshape(directions.shape)
