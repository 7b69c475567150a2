"""Environments to film a tyre in: workshop, garage, pit lane, yard, studio."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tasks.geometry.camera import FloatArray
from tasks.synthetic.scenes import textures
from tasks.synthetic.scenes.background import Background, Chart
from tasks.synthetic.scenes.lighting import Look
from tasks.synthetic.scenes.textures import Texture

ENVIRONMENTS = ("workshop", "garage", "pit_lane", "yard", "studio")
"""Kinds of environment."""

_FLOORS = {
    "workshop": ("concrete", "planks", "epoxy"),
    "garage": ("epoxy", "tiles", "concrete"),
    "pit_lane": ("asphalt", "concrete"),
    "yard": ("asphalt", "concrete", "tiles"),
}


@dataclass(frozen=True)
class Support:
    """What carries the tyre.

    Args:
        kind: The floor alone, a round turntable, or two bars in which a wheel turns on its axle.
        height: Height of the turntable's top, or the tyre's lowest point, above the floor, metres.
        radius: Radius of the turntable, or of the tyre that lies between the bars, metres.
        length: Length of the bars along the axle, metres.
    """

    kind: str = "floor"
    height: float = 0.0
    radius: float = 0.0
    length: float = 0.0


def build_environment(
    kind: str, look: Look, *, seed: int, clear_radius: float, support: Support | None = None
) -> Background:
    """Make an environment and light it.

    Args:
        kind: One of :data:`ENVIRONMENTS`; all but the studio are rich in corners.
        look: The light in the world; that from below is replaced by what the floor sends back.
        seed: Seed of the layout and the textures.
        clear_radius: No walls or boxes within this distance of the origin, metres.
        support: What carries the tyre, at the origin.
    """
    rng = np.random.default_rng(seed)
    outdoors = kind in ("pit_lane", "yard")
    builder = _Builder()
    if kind == "studio":
        _studio(builder, rng, clear_radius)
    else:
        half = clear_radius + rng.uniform(1.6, 3.0) * (1.6 if outdoors else 1.0)
        floor = textures.floor(rng, str(rng.choice(_FLOORS[kind])))
        builder.floor(half, builder.texture(floor))
        make = textures.facade if outdoors else textures.wall
        height = rng.uniform(1.8, 2.6) if outdoors else rng.uniform(2.6, 3.6)
        builder.walls(half * 0.98, height, [builder.texture(make(rng)) for _ in range(2)])
        _clutter(builder, rng, clear_radius, half)
    if support is not None:
        _support(builder, rng, support)
    return Background(builder.charts, builder.textures, look, seed=seed, outdoors=outdoors)


class _Builder:
    """Charts and textures while an environment grows."""

    def __init__(self) -> None:
        self.charts: list[Chart] = []
        self.textures: list[Texture] = []

    def texture(self, texture: Texture) -> int:
        self.textures.append(texture)
        return len(self.textures) - 1

    def floor(self, half: float, texture: int) -> None:
        along, across = np.array([2 * half, 0, 0]), np.array([0, 0, 2 * half])
        self.charts.append(Chart(np.array([-half, 0, -half]), along, across, texture))

    def walls(self, distance: float, height: float, indices: list[int]) -> None:
        for index in range(4):
            inward, right = _axes(index * math.pi / 2)
            origin = -(inward + right) * distance + np.array([0, height, 0])
            down = np.array([0, -height, 0])
            texture = indices[index % len(indices)]
            self.charts.append(Chart(origin, right * 2 * distance, down, texture))

    def box(
        self,
        bottom: FloatArray,
        size: tuple[float, float, float],
        yaw: float,
        indices: list[int],
    ) -> None:
        """A box of a size (width, height, depth) with textures on its sides, the last on top."""
        rise = np.array([0, size[1], 0])
        for index in range(4):
            normal, right = _axes(yaw + index * math.pi / 2)
            width, depth = (size[0], size[2]) if index % 2 == 0 else (size[2], size[0])
            origin = bottom + normal * depth / 2 - right * width / 2 + rise
            texture = indices[index % len(indices)]
            self.charts.append(Chart(origin, right * width, -rise, texture))
        forward, right = _axes(yaw)
        along, across = right * size[0], forward * size[2]
        self.charts.append(Chart(bottom + rise - (along + across) / 2, along, across, indices[-1]))


def _axes(yaw: float) -> tuple[FloatArray, FloatArray]:
    """A horizontal direction and what lies to the right of a viewer whom it points at."""
    s, c = math.sin(yaw), math.cos(yaw)
    return np.array([s, 0.0, c]), np.array([c, 0.0, -s])


def _studio(builder: _Builder, rng: np.random.Generator, clear_radius: float) -> None:
    level = rng.uniform(70, 235)
    builder.floor(clear_radius + 1.5, builder.texture(textures.plain(rng, level=level)))
    wall = builder.texture(textures.plain(rng, level=level * rng.uniform(0.8, 1.05)))
    builder.walls(clear_radius + 1.4, 4.0, [wall])


def _clutter(builder: _Builder, rng: np.random.Generator, clear_radius: float, half: float) -> None:
    """Boxes, chests and stacks between the camera's path and the walls."""
    indices = [builder.texture(textures.crate(rng)) for _ in range(7)]
    for azimuth in np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(5, 16)))):
        size = rng.uniform([0.25, 0.25, 0.25], [1.0, 1.1, 0.7])
        near = clear_radius + float(np.hypot(size[0], size[2])) / 2
        distance = rng.uniform(near, max(near, half - 0.3))
        bottom = _axes(azimuth)[0] * distance
        yaw = azimuth + math.pi + rng.normal(0, 0.4)
        for _ in range(int(rng.integers(1, 3))):
            chosen = [int(i) for i in rng.choice(indices, 3)]
            builder.box(bottom, (float(size[0]), float(size[1]), float(size[2])), yaw, chosen)
            bottom = bottom + np.array([0, size[1], 0])
            size = size * rng.uniform(0.4, 0.9, 3)


def _support(builder: _Builder, rng: np.random.Generator, support: Support) -> None:
    if support.kind == "turntable":
        disc = builder.texture(textures.disc(rng))
        rim = builder.texture(textures.plain(rng, 64))
        r, h = support.radius, support.height
        along, across = np.array([2 * r, 0, 0]), np.array([0, 0, 2 * r])
        builder.charts.append(Chart(np.array([-r, h, -r]), along, across, disc, round=True))
        count = 32
        for index in range(count):
            normal, right = _axes(2 * math.pi * index / count)
            width = 2 * r * math.tan(math.pi / count)
            origin = normal * r - right * width / 2 + np.array([0, h, 0])
            builder.charts.append(Chart(origin, right * width, np.array([0, -h, 0]), rim))
    elif support.kind == "bars":
        steel = builder.texture(textures.plain(rng, 64))
        angle = math.radians(32)
        reach = support.radius * math.sin(angle)
        top = support.height + support.radius * (1 - math.cos(angle))
        for sign in (-1.0, 1.0):
            bottom = np.array([sign * (reach + 0.04), 0.0, 0.0])
            builder.box(bottom, (0.08, top, support.length), 0.0, [steel])
